/** What QEMU's unmap and map functions return, as they return it. */
export const EPERM = -1;
export const E2BIG = -7;
export const ENOMEM = -12;
export const EEXIST = -17;
export const EINVAL = -22;
export const ENOSPC = -28;
