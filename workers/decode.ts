import { type DecodeTask, TaskDecoder } from '../src/decode.ts';
import { handOver } from '../src/hand-over.ts';

const decoder = new TaskDecoder();

export default (task: DecodeTask) => handOver(decoder.decode(task));
