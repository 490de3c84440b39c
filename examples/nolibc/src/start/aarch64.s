// What the kernel jumps to: the stack pointer, a multiple of 16, points to the arguments.
    .text
    .globl _start
    .type _start, %function
_start:
    mov x29, xzr
    mov x30, xzr
    mov x0, sp
    b start
    .size _start, . - _start
