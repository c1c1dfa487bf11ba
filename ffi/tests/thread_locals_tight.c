/* As thread_locals.c, where a stack of 256 KiB would be accepted and leave a carrier no room. */
#define LARGE (244 << 10)
#include "thread_locals.c"
