import { analyzeTrace, type TraceTask } from '../src/engine/trace.ts';

export default (task: TraceTask) => analyzeTrace(task);
