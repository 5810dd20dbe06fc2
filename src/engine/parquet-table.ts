import { ByteWriter, ParquetWriter, type SchemaElement } from 'hyparquet-writer';
import type { NewFile } from '../bytes/new-file.ts';
import type { MappingRecord, UnmapRecord } from '../result/types.ts';
import type { TableFormat, TableKind } from './table-format.ts';

/** Characters of JSON whose rows make up a row group, which is held in memory. */
const GROUP_CHARACTERS = 8 * 1024 * 1024;

/** What a column holds. Addresses, sizes and times are text, as in JSON: some need 65 bits. */
type ColumnType = 'boolean' | 'int32' | 'int64' | 'ranges' | 'text';
type Columns<RecordType> = Readonly<Record<keyof RecordType, ColumnType>>;

const UNMAP_COLUMNS: Columns<UnmapRecord> = {
  line: 'int64',
  time: 'text',
  session: 'int32',
  device: 'text',
  container: 'text',
  domain: 'int32',
  cause: 'text',
  iova: 'text',
  size: 'text',
  tracked: 'boolean',
  query: 'text',
  carriedAddress: 'text',
  bitmapBytes: 'text',
  errno: 'int32',
  mode: 'text',
  atRisk: 'ranges',
};

const MAPPING_COLUMNS: Columns<MappingRecord> = {
  session: 'int32',
  container: 'text',
  device: 'text',
  iova: 'text',
  size: 'text',
  gpa: 'text',
  perm: 'text',
  in: 'text',
  stale: 'boolean',
};

const COLUMNS = { unmaps: UNMAP_COLUMNS, mappings: MAPPING_COLUMNS };

type Row = Readonly<Record<string, unknown>>;

/** A table as Apache Parquet, with the columns of the lines of JSON; ranges are lists of two texts. */
export class ParquetTable implements TableFormat {
  readonly #columns: readonly (readonly [name: string, type: ColumnType])[];
  readonly #writer: ParquetWriter;
  #rows: Row[] = [];
  #characters = 0;

  /** `isBatch`: the lines have the name of their trace. */
  constructor(file: NewFile, kind: TableKind, isBatch: boolean) {
    this.#columns = [
      ...Object.entries(COLUMNS[kind]),
      ...(isBatch ? [['trace', 'text'] as const] : []),
    ];
    this.#writer = new ParquetWriter({
      writer: new FileBytes(file),
      schema: [
        { name: kind, num_children: this.#columns.length },
        ...this.#columns.flatMap(([name, type]) => elementsOf(name, type)),
      ],
      createdBy: 'vtdscope',
    });
  }

  write(lines: string): void {
    for (const line of lines.split('\n')) {
      if (line === '') continue;
      this.#rows.push(JSON.parse(line) as Row);
      this.#characters += line.length;
      if (this.#characters >= GROUP_CHARACTERS) this.#writeGroup();
    }
  }

  finish(): void {
    this.#writeGroup();
    // The bytes are written at once: there is nothing to wait for.
    void this.#writer.finish();
  }

  #writeGroup(): void {
    const rows = this.#rows;
    if (rows.length === 0) return;
    void this.#writer.write({
      columnData: this.#columns.map(([name, type]) => ({
        name,
        data: rows.map((row) => (type === 'int64' ? BigInt(row[name] as number) : row[name])),
      })),
      rowGroupSize: rows.length,
    });
    this.#rows = [];
    this.#characters = 0;
  }
}

/** The elements of a column in the schema; any but a list of ranges may be null. */
function elementsOf(name: string, type: ColumnType): readonly SchemaElement[] {
  switch (type) {
    case 'boolean':
      return [{ name, type: 'BOOLEAN', repetition_type: 'OPTIONAL' }];
    case 'int32':
      return [{ name, type: 'INT32', repetition_type: 'OPTIONAL' }];
    case 'int64':
      return [{ name, type: 'INT64', repetition_type: 'OPTIONAL' }];
    case 'text':
      return [textElement(name, 'OPTIONAL')];
    case 'ranges':
      return [...listOf(name), ...listOf('element'), textElement('element', 'REQUIRED')];
  }
}

function textElement(name: string, repetition: 'OPTIONAL' | 'REQUIRED'): SchemaElement {
  return { name, type: 'BYTE_ARRAY', converted_type: 'UTF8', repetition_type: repetition };
}

/** A list, whose element follows. */
function listOf(name: string): readonly SchemaElement[] {
  return [
    { name, converted_type: 'LIST', repetition_type: 'REQUIRED', num_children: 1 },
    { name: 'list', repetition_type: 'REPEATED', num_children: 1 },
  ];
}

/** Hands the bytes of each row group, and of the end, to the file. */
class FileBytes extends ByteWriter {
  readonly #file: NewFile;

  constructor(file: NewFile) {
    super();
    this.#file = file;
  }

  flush(): void {
    this.#file.writeBytes(this.getBytes());
    this.index = 0;
  }

  override finish(): void {
    this.flush();
  }
}
