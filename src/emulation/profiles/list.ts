// A version of QEMU, or a patch, is a line here.
export { qemu7_2 } from './qemu-7.2.ts';
export { qemu8_1 } from './qemu-8.1.ts';
export { qemu9_2 } from './qemu-9.2.ts';
export { qemu10_0 } from './qemu-10.0.ts';
export { qemu10_1 } from './qemu-10.1.ts';
export { qemu10_2 } from './qemu-10.2.ts';
export { qemu11_0 } from './qemu-11.0.ts';
export { qemu11_1 } from './qemu-11.1.ts';
export { v4Patch } from './v4-patch.ts';
export { v5Patch } from './v5-patch.ts';
