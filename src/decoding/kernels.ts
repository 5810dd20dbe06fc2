import { CompiledKernel } from './compiled/index.ts';
import { CompiledReader } from './compiled/line-reader.ts';
import { decodeFormed, type FormedDecoder, type FormedLines } from './formed-lines.ts';
import type { LineKernel, SingleLineKernel } from './kernel.ts';
import type { LineReader } from './line-reader.ts';
import { ReferenceKernel } from './reference/index.ts';
import { ReferenceReader } from './reference/line-reader.ts';
import { WasmKernel } from './wasm/index.ts';
import { newInstance } from './wasm/module.ts';

/** The fastest kernel that works here. */
export function newKernel(): LineKernel {
  const wasm = newInstance();
  return wasm === null ? newSingleLineKernel() : new WasmKernel(wasm, newSingleLineKernel());
}

function newSingleLineKernel(): SingleLineKernel {
  return compiledOr<SingleLineKernel>(
    () => new CompiledKernel(),
    () => new ReferenceKernel(),
  );
}

/** The fastest way to decode lines of forms that `lines` tells. */
export function newFormedDecoder(lines: FormedLines): FormedDecoder {
  const wasm = newInstance();
  if (wasm === null) return (block, writer) => decodeFormed(block, lines, writer);
  const kernel = new WasmKernel(wasm, newSingleLineKernel());
  return (block, writer) => kernel.decodeFormed(block, lines, writer);
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
