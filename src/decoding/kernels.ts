import { CompiledKernel } from './compiled/index.ts';
import { CompiledReader } from './compiled/line-reader.ts';
import type { LineKernel } from './kernel.ts';
import type { LineReader } from './line-reader.ts';
import { ReferenceKernel } from './reference/index.ts';
import { ReferenceReader } from './reference/line-reader.ts';

/** The fastest kernel that works here. */
export function newKernel(): LineKernel {
  return compiledOr<LineKernel>(
    () => new CompiledKernel(),
    () => new ReferenceKernel(),
  );
}

/** The fastest reader of events that works here, for formats that have lines of QEMU's in records. */
export function newLineReader(): LineReader {
  return compiledOr<LineReader>(
    () => new CompiledReader(),
    () => new ReferenceReader(),
  );
}

/** Without the right to make code of strings (`--disallow-code-generation-from-strings`), V8 throws. */
function compiledOr<Made>(compiled: () => Made, reference: () => Made): Made {
  try {
    return compiled();
  } catch (thrown) {
    if (!(thrown instanceof EvalError)) throw thrown;
    return reference();
  }
}
