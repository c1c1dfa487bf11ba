//! `#[drift::main]`.

use proc_macro::TokenStream;
use quote::quote;
use syn::{Expr, ExprLit, ItemFn, Lit, LitInt, MetaNameValue};

/// Runs `main` as the root virtual thread: its body becomes the closure of `drift::run`, on the
/// default executor, with one carrier for each CPU that the process may use, or `DRIFT_CARRIERS`.
///
/// With `#[drift::main(carriers = n)]` there are n, an expression of type `u32`, whatever the
/// environment says; with one, virtual threads run in turn.
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
    let carriers = match carriers(options) {
        Ok(carriers) => carriers,
        Err(error) => return error.into_compile_error().into(),
    };
    if signature.asyncness.is_some() {
        return refuse("#[drift::main] runs plain blocking code: remove `async`");
    }
    if !signature.inputs.is_empty() || !signature.generics.params.is_empty() {
        return refuse("#[drift::main] is for a `fn main()` without arguments");
    }
    let ItemFn { attrs, vis, sig, block } = &function;
    let run = match carriers {
        None => quote!(::drift::run(move || #block)),
        Some(carriers) => quote! {
            let policy = ::drift::ExecutorPolicy::new().min_threads(#carriers);
            ::drift::run_with(policy, move || #block)
        },
    };
    quote! {
        #(#attrs)*
        #vis #sig {
            #run
        }
    }
    .into()
}

/// What the options say of carriers.
fn carriers(options: TokenStream) -> syn::Result<Option<Expr>> {
    if options.is_empty() {
        return Ok(None);
    }
    let what = "#[drift::main] takes `carriers = n` and nothing else: for any other policy, call \
                `drift::run_with`";
    let option = syn::parse::<MetaNameValue>(options)
        .map_err(|error| syn::Error::new(error.span(), what))?;
    if !option.path.is_ident("carriers") {
        return Err(syn::Error::new_spanned(option.path, what));
    }
    let is_zero = |value: &LitInt| value.base10_parse::<u32>().is_ok_and(|value| value == 0);
    match option.value {
        Expr::Lit(ExprLit { lit: Lit::Int(value), .. }) if is_zero(&value) => {
            let what = "carriers is 0, and must be at least 1; without it there is one for a CPU";
            Err(syn::Error::new_spanned(value, what))
        }
        value => Ok(Some(value)),
    }
}
