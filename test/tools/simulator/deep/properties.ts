import { cropToNotifier } from '../../../../src/emulation/memory.ts';
import { SentUnmaps } from '../../../../src/emulation/viommu/sent.ts';
import { Random } from '../../../../src/tools/simulator/random.ts';

/** Inputs that each property is tried with. */
const TRIES = 500;
/** Pages from which ranges are taken: few, so that their ends meet. */
const PAGES = 12;

/**
 * What holds of the model for any input, and is out of reach for the guests of the seeds; in words, where it does not.
 */
export function brokenProperties(): readonly string[] {
  return [brokenCrop()].filter((sentence) => sentence !== null);
}

/**
 * A notifier gets those pages of an UNMAP that are its own. Of VT-d's two, the only page that reaches out of the lower one
 * at its end is the 1 GiB page at 0xc0000000. That reaches into the upper one, too, which comes first and takes it.
 */
function brokenCrop(): string | null {
  const random = new Random(1, 12);
  const range = () => {
    const first = random.below(PAGES);
    return { first, last: first + random.below(PAGES - first) };
  };
  const sent = new SentUnmaps();
  for (let tries = 0; tries < TRIES; tries += 1) {
    const [unmap, notifier] = [range(), range()];
    sent.clear();
    const ends = { start: addressOf(notifier.first), end: addressOf(notifier.last + 1) - 1n };
    cropToNotifier(ends, unmap.first, unmap.last, 7, sent);
    const got = Array.from({ length: sent.count }, (_, index) => [
      sent.first(index),
      sent.last(index),
    ]);
    const own = pagesOf(unmap).filter((page) => pagesOf(notifier).includes(page));
    const wanted = own.length === 0 ? [] : [[own[0], own.at(-1)]];
    if (JSON.stringify(got) === JSON.stringify(wanted)) continue;
    return `crop of ${unmap.first}..${unmap.last} to ${notifier.first}..${notifier.last}: ${JSON.stringify(got)}, expected ${JSON.stringify(wanted)}`;
  }
  return null;
}

function pagesOf({ first, last }: { readonly first: number; readonly last: number }): number[] {
  return Array.from({ length: last - first + 1 }, (_, index) => first + index);
}

function addressOf(page: number): bigint {
  return BigInt(page) * 4096n;
}
