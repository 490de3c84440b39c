# What the kernel jumps to: the stack pointer, a multiple of 16, points to the arguments.
    .text
    .globl _start
    .type _start, @function
_start:
    xor ebp, ebp
    mov rdi, rsp
    call start
    ud2
    .size _start, . - _start
