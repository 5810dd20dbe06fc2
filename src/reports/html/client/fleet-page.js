import { TraceTable } from './trace-table.js';

const table = document.querySelector('table.traces');
if (table instanceof HTMLTableElement) new TraceTable(table, []);
