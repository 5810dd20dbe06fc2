/** What a source could not deliver. */
export interface SourceLoss {
  readonly kind: 'truncated' | 'unreadable';
  readonly detail: string;
}

export function unreadableBeyond(bytes: number, error: string): string {
  return `the input cannot be read beyond ${bytes} bytes: ${error}`;
}
