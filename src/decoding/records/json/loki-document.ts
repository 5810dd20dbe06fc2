import { endOfString } from './digits.ts';
import { DEEPEST } from './parse.ts';

/*
 * What is read of an answer of Loki's, as its text comes: the labels of streams and their entries. It is
 * looked through token by token, so that one that is cut or damaged is read up to there.
 */

/** What an object or an array is in the document. */
type Role = 'streams' | 'stream' | 'labels' | 'values' | 'entry' | 'other';

interface Frame {
  readonly role: Role;
  readonly isArray: boolean;
  /** Of an object, the key that was read last. */
  key: string;
  /** What comes next; `first`: a value of an array or a key of an object, or its end. */
  expects: 'first' | 'key' | 'colon' | 'value' | 'end';
}

/** What is taken out of a document. */
export interface LokiReceiver {
  labels(labels: ReadonlyMap<string, string>): void;
  /** An entry's time and line, as far as they are texts or numbers. */
  entry(time: string | undefined, line: string | undefined): void;
}

/** Characters that a token may have before its end is there. */
const LONGEST_TOKEN = 16 * 1024 * 1024;

const QUOTE = 0x22;
const COMMA = 0x2c;
const COLON = 0x3a;
const OPEN_BRACKET = 0x5b;
const CLOSE_BRACKET = 0x5d;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;

const BLANKS = /[ \t\r\n]*/y;
const WORD = /[-+.\w]{1,512}/y;
const SCALAR = /^(?:-?\d[\d.eE+-]*|true|false|null)$/;
// biome-ignore lint/suspicious/noControlCharactersInRegex: JSON has none of them in strings.
const CONTROL = /[\x00-\x1f]/;

/** Looks through a document. */
export class LokiDocument {
  readonly #receiver: LokiReceiver;
  readonly #frames: Frame[] = [];
  /** What has no end yet. */
  #rest = '';
  #isFinished = false;
  #labels = new Map<string, string>();
  #entry: (string | undefined)[] = [];

  constructor(receiver: LokiReceiver) {
    this.#receiver = receiver;
  }

  /** True where all of the document has come. */
  get isFinished(): boolean {
    return this.#isFinished;
  }

  /** Looks through more of the text; false where it is no JSON, which is the last time that it may be asked. */
  push(text: string): boolean {
    const all = this.#rest + text;
    let at = 0;
    for (;;) {
      BLANKS.lastIndex = at;
      BLANKS.test(all);
      at = BLANKS.lastIndex;
      if (at === all.length) break;
      const char = all.charCodeAt(at);
      let end = at + 1;
      let isRead: boolean;
      if (char === QUOTE) {
        end = endOfString(all, at) + 1;
        if (end > all.length) break;
        const string = stringOf(all.slice(at + 1, end - 1));
        isRead = string !== null && this.#string(string);
      } else {
        WORD.lastIndex = at;
        if (WORD.test(all)) {
          end = WORD.lastIndex;
          if (end === all.length) break;
          isRead = this.#word(all.slice(at, end));
        } else isRead = this.#mark(char);
      }
      if (!isRead) return false;
      at = end;
    }
    this.#rest = all.slice(at);
    return this.#rest.length <= LONGEST_TOKEN;
  }

  #string(text: string): boolean {
    const frame = this.#frames.at(-1);
    if (frame === undefined || frame.isArray) return this.#scalar(text);
    if (frame.expects !== 'first' && frame.expects !== 'key') return this.#scalar(text);
    frame.key = text;
    frame.expects = 'colon';
    return true;
  }

  #word(text: string): boolean {
    return SCALAR.test(text) && this.#scalar(/[tfn]/.test(text) ? undefined : text);
  }

  #scalar(text: string | undefined): boolean {
    const frame = this.#valueIn();
    if (frame === null) return false;
    if (frame.role === 'entry') this.#entry.push(text);
    else if (frame.role === 'labels' && text !== undefined) this.#labels.set(frame.key, text);
    return true;
  }

  #mark(char: number): boolean {
    const frame = this.#frames.at(-1);
    if (char === OPEN_BRACE || char === OPEN_BRACKET) return this.#open(char === OPEN_BRACKET);
    if (frame === undefined) return false;
    if (char === CLOSE_BRACE || char === CLOSE_BRACKET) {
      const isEnd = frame.expects === 'first' || frame.expects === 'end';
      return isEnd && frame.isArray === (char === CLOSE_BRACKET) && this.#close(frame);
    }
    if (char === COMMA && frame.expects === 'end') {
      frame.expects = frame.isArray ? 'value' : 'key';
      return true;
    }
    if (char !== COLON || frame.expects !== 'colon') return false;
    frame.expects = 'value';
    return true;
  }

  #open(isArray: boolean): boolean {
    const parent = this.#frames.at(-1);
    if (parent === undefined) {
      if (this.#isFinished || isArray) return false;
    } else if (this.#frames.length === DEEPEST || this.#valueIn() === null) return false;
    const role = roleOf(parent, isArray);
    if (role === 'entry') this.#entry = [];
    else if (role === 'labels') this.#labels = new Map();
    else if (parent?.role === 'entry') this.#entry.push(undefined);
    this.#frames.push({ role, isArray, key: '', expects: 'first' });
    return true;
  }

  #close({ role }: Frame): boolean {
    this.#frames.pop();
    if (this.#frames.length === 0) this.#isFinished = true;
    if (role === 'labels') this.#receiver.labels(this.#labels);
    else if (role === 'entry') this.#receiver.entry(this.#entry[0], this.#entry[1]);
    return true;
  }

  /** What a value that begins now stands in; null where none may. */
  #valueIn(): Frame | null {
    const frame = this.#frames.at(-1);
    if (frame === undefined) return null;
    if (frame.expects !== 'value' && !(frame.isArray && frame.expects === 'first')) return null;
    frame.expects = 'end';
    return frame;
  }
}

function roleOf(parent: Frame | undefined, isArray: boolean): Role {
  if (parent === undefined) return 'other';
  const { key, role } = parent;
  if (!isArray) {
    if (role === 'streams') return 'stream';
    return role === 'stream' && key === 'stream' ? 'labels' : 'other';
  }
  if (role === 'values') return 'entry';
  if (role === 'stream' && key === 'values') return 'values';
  return !parent.isArray && (key === 'result' || key === 'streams') ? 'streams' : 'other';
}

/** What a string says, of its text between the quotes; null where it is none. */
function stringOf(text: string): string | null {
  if (CONTROL.test(text)) return null;
  if (!text.includes('\\')) return text;
  try {
    return JSON.parse(`"${text}"`) as string;
  } catch {
    // An escape that there is none of.
    return null;
  }
}
