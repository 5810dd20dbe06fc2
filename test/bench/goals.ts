/*
 * What is wanted of the program, and the table that says how much of it is there.
 */

/** What is wanted: met where a value is no higher. */
export interface Wanted {
  readonly must: number;
  readonly aim: number;
}

/** A line of the table. */
export interface Row {
  readonly what: string;
  readonly value: number;
  /** `x wc -l`, `ms`, `MB` ... */
  readonly unit: string;
  readonly wanted: Wanted | null;
  readonly seconds: number;
  /** Seconds of the processor, all threads together; null of other tools. */
  readonly cpu: number | null;
  /** Of the input; null where it is nothing of that kind. */
  readonly megabytesPerSecond: number | null;
}

/** With one job, and with two, where there are two. */
export const WANTED = {
  coherent: [
    { must: 14, aim: 11 },
    { must: 9, aim: 7 },
  ],
  storm: [
    { must: 6, aim: 5 },
    { must: 5, aim: 3.5 },
  ],
  whatIf: { must: 2, aim: 2 },
  gzip: { must: 2.5, aim: 1.6 },
  /** What a byte costs in a long stream, beside a short one. */
  stream: { must: 1.1, aim: 1.05 },
  peak: { must: 250, aim: 200 },
  /** Bytes of memory. */
  liveMapping: { must: 64, aim: 48 },
  version: { must: 110, aim: 75 },
  smallTrace: { must: 180, aim: 130 },
  smallFiles: { must: 0.65, aim: 0.55 },
  /** 60 % of what one thread did with a coherent log before the kernel, 27.5 times `wc -l`; and all of it. */
  worst: { must: 46, aim: 27.5 },
} as const;

/** Columns of words; the others are numbers. */
const WORDS: readonly number[] = [0, 2, 5];

export function tableOf(rows: readonly Row[]): string {
  const all = [
    ['', '', '', 'must', 'aim', '', 's', 'cpu s', 'MB/s'],
    ...rows.map((row) => [
      row.what,
      row.value.toFixed(isWhole(row) ? 0 : 2),
      row.unit,
      row.wanted === null ? '' : String(row.wanted.must),
      row.wanted === null ? '' : String(row.wanted.aim),
      reached(row),
      row.seconds.toFixed(3),
      row.cpu?.toFixed(2) ?? '',
      row.megabytesPerSecond?.toFixed(0) ?? '',
    ]),
  ];
  const width = (column: number) => Math.max(...all.map((line) => line[column]?.length ?? 0));
  const widths = all[0]?.map((_, column) => width(column)) ?? [];
  const pad = (cell: string, column: number) => {
    const most = widths[column] ?? 0;
    return WORDS.includes(column) ? cell.padEnd(most) : cell.padStart(most);
  };
  return all.map((line) => line.map(pad).join('  ').trimEnd()).join('\n');
}

function isWhole({ unit }: Row): boolean {
  return ['ms', 'MB', 'B'].includes(unit);
}

function reached({ value, wanted }: Row): string {
  if (wanted === null) return '';
  if (value <= wanted.aim) return 'aim';
  return value <= wanted.must ? 'must' : 'missed';
}
