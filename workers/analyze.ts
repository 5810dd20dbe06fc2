import { type AnalyzeTask, analyzeTask } from '../src/engine/pool.ts';

export default (task: AnalyzeTask) => analyzeTask(task);
