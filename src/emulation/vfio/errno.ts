/** What QEMU's unmap and map functions return, as they return it. */
export const EPERM = -1;
export const ENOENT = -2;
export const E2BIG = -7;
export const ENOMEM = -12;
export const EFAULT = -14;
export const EBUSY = -16;
export const EEXIST = -17;
export const EINVAL = -22;
export const ENOSPC = -28;
/** What iommufd of early kernels says of a mapping that is there already. */
export const EADDRINUSE = -98;
