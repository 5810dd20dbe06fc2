import { type DecodeTask, TaskDecoder } from '../src/engine/decode.ts';
import { handOver } from '../src/engine/hand-over.ts';

const decoder = new TaskDecoder();

export default (task: DecodeTask) => handOver(decoder.decode(task));
