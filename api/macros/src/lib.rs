//! `#[drift::main]`.

use proc_macro::TokenStream;
use quote::quote;
use syn::ItemFn;

/// Runs `main` as the root virtual thread: its body becomes the closure of `drift::run`.
///
/// ```ignore
/// #[drift::main]
/// fn main() -> std::io::Result<()> {
///     let listener = drift::net::TcpListener::bind("127.0.0.1:7000")?;
///     // ...
/// #   Ok(())
/// }
/// ```
///
/// # Errors
/// It does not compile on anything but a plain `fn main()`: no arguments, not `async`.
#[proc_macro_attribute]
pub fn main(options: TokenStream, item: TokenStream) -> TokenStream {
    let function = match syn::parse::<ItemFn>(item) {
        Ok(function) => function,
        Err(error) => return error.into_compile_error().into(),
    };
    let signature = &function.sig;
    let refuse = |what: &str| {
        TokenStream::from(syn::Error::new_spanned(signature, what).into_compile_error())
    };
    if !options.is_empty() {
        return refuse("#[drift::main] takes no options: make an Executor and spawn on it");
    }
    if signature.asyncness.is_some() {
        return refuse("#[drift::main] runs plain blocking code: remove `async`");
    }
    if !signature.inputs.is_empty() || !signature.generics.params.is_empty() {
        return refuse("#[drift::main] is for a `fn main()` without arguments");
    }
    let ItemFn { attrs, vis, sig, block } = &function;
    quote! {
        #(#attrs)*
        #vis #sig {
            ::drift::run(move || #block)
        }
    }
    .into()
}
