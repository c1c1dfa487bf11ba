//! What must not compile. Doctests only.

/// Closures and results of `spawn` are sent, and borrow nothing.
///
/// ```compile_fail,E0277
/// let shared = std::rc::Rc::new(1);
/// drift::spawn(move || println!("{shared}"));
/// ```
/// ```compile_fail,E0277
/// drift::spawn(|| std::rc::Rc::new(1));
/// ```
/// ```compile_fail,E0373
/// let local = String::from("mine");
/// drift::spawn(|| println!("{local}"));
/// ```
/// ```compile_fail,E0597
/// let local = String::from("mine");
/// let borrowed = &local;
/// drift::spawn(move || println!("{borrowed}"));
/// ```
/// ```compile_fail,E0277
/// let executor = drift::Executor::default_get();
/// drift::spawn_on(&executor, || std::rc::Rc::new(1));
/// ```
/// ```compile_fail,E0277
/// let shared = std::rc::Rc::new(1);
/// drift::run(|| println!("{shared}"));
/// ```
struct Spawn;

/// Guards stay on their thread.
///
/// ```compile_fail,E0277
/// let mutex = Box::leak(Box::new(drift::sync::Mutex::new(1)));
/// let guard = mutex.lock().unwrap();
/// drift::spawn(move || drop(guard));
/// ```
/// ```compile_fail,E0277
/// let lock = Box::leak(Box::new(drift::sync::RwLock::new(1)));
/// let guard = lock.read().unwrap();
/// drift::spawn(move || drop(guard));
/// ```
/// ```compile_fail,E0277
/// let lock = Box::leak(Box::new(drift::sync::ReentrantMutex::new(1)));
/// let guard = lock.lock().unwrap();
/// drift::scope(|s| {
///     s.spawn(|| *guard);
/// });
/// ```
/// ```compile_fail,E0505
/// let mutex = drift::sync::Mutex::new(1);
/// let guard = mutex.lock().unwrap();
/// drop(mutex);
/// drop(guard);
/// ```
/// ```compile_fail,E0502
/// let mut mutex = drift::sync::Mutex::new(1);
/// let guard = mutex.lock().unwrap();
/// *mutex.get_mut() = 2;
/// drop(guard);
/// ```
struct Guards;

/// Nothing of a scope outlives what it borrows.
///
/// The frame of the body is gone when children still run:
/// ```compile_fail,E0373
/// drift::scope(|s| {
///     let inside = String::from("too short");
///     s.spawn(|| println!("{inside}"));
/// });
/// ```
/// Handles and the scope itself stay inside:
/// ```compile_fail
/// let kept = drift::scope(|s| s.spawn(|| 1)).unwrap();
/// ```
/// ```compile_fail,E0521
/// let mut kept = None;
/// drift::scope(|s| kept = Some(s));
/// ```
/// ```compile_fail
/// let kept = std::sync::Mutex::new(None);
/// drift::scope(|s| {
///     s.spawn(|| *kept.lock().unwrap() = Some(s.spawn(|| 1)));
/// });
/// ```
/// One writer at a time:
/// ```compile_fail,E0499
/// let mut count = 0;
/// drift::scope(|s| {
///     s.spawn(|| count += 1);
///     s.spawn(|| count += 1);
/// });
/// ```
/// What is borrowed stays borrowed for as long as the scope:
/// ```compile_fail,E0506
/// let mut count = 0;
/// drift::scope(|s| {
///     s.spawn(|| println!("{count}"));
///     count = 1;
/// });
/// ```
/// ```compile_fail,E0505
/// let text = String::from("moved");
/// drift::scope(|s| {
///     s.spawn(|| println!("{text}"));
///     drop(text);
/// });
/// ```
/// A scope's lifetime cannot be chosen, so it is neither longer nor shorter than the scope:
/// ```compile_fail
/// fn leak(s: &'static drift::Scope<'static, 'static>) {}
/// drift::scope(|s| leak(s));
/// ```
/// ```compile_fail,E0277
/// let shared = std::rc::Rc::new(1);
/// drift::scope(|s| {
///     s.spawn(|| println!("{shared}"));
/// });
/// ```
struct Scopes;

/// Channels carry what may be sent, and their ends borrow nothing that is gone.
///
/// ```compile_fail,E0277
/// let (sender, _receiver) = drift::sync::unbounded::<std::rc::Rc<u8>>();
/// drift::spawn(move || drop(sender));
/// ```
/// ```compile_fail,E0597
/// let (sender, receiver) = drift::sync::unbounded();
/// {
///     let short = String::from("too short");
///     sender.send(short.as_str()).unwrap();
/// }
/// drop(receiver);
/// ```
struct Channels;
