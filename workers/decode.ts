import { type DecodeTask, TaskDecoder } from '../src/engine/decode.ts';
import { handOver } from '../src/engine/hand-over.ts';

const decoder = new TaskDecoder();

export default async (task: DecodeTask) => handOver(await decoder.decode(task));
