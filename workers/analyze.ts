import { type AnalyzeTask, analyzeTask } from '../src/pool.ts';

export default (task: AnalyzeTask) => analyzeTask(task);
