import type { Fix, Release } from '../base/fix.ts';

/** A fix in sentences: what the field `fix` of a finding says. */
export function fixText({ release, followsFrom, today }: Fix): string {
  const sentences: string[] = [];
  if (release !== undefined) sentences.push(releaseText(release));
  if (followsFrom !== undefined) sentences.push(`Follows from ${followsFrom}.`);
  if (today !== undefined) {
    sentences.push(sentences.length > 0 ? `Today: ${asClause(today)}` : today);
  }
  return sentences.join(' ');
}

/** Which release mends it, in a sentence. */
export function releaseText({ of, first, commit, note }: Release): string {
  const which = first === null ? 'no release fixes this yet' : `fixed in QEMU ${first}`;
  const how = commit === undefined ? '' : ` (commit ${commit})`;
  return `${of}: ${which}${how}${note === undefined ? '' : `, ${note}`}.`;
}

/** A sentence behind a colon. A name in capitals stays as it is. */
function asClause(sentence: string): string {
  const [first = '', second = ''] = sentence;
  return second === second.toLowerCase() ? first.toLowerCase() + sentence.slice(1) : sentence;
}
