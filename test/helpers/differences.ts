type Fields = Readonly<Record<string, unknown>>;

/** Lists of texts. */
const TEXTS = /\.(?:basis|reasons|devices)\.\d+$/;

/**
 * What is different in two results, but for texts, for lines of the trace and for the fields that may
 * `change` to another value of the same type.
 */
export function differences(
  one: unknown,
  other: unknown,
  change: RegExp,
  at = '',
): readonly string[] {
  if (Array.isArray(one) && Array.isArray(other)) {
    if (/\.excerpt$/.test(at)) return [];
    if (one.length !== other.length) return [`${at}: ${one.length} and ${other.length}`];
    return one.flatMap((item, index) => differences(item, other[index], change, `${at}.${index}`));
  }
  if (one !== null && other !== null && typeof one === 'object' && typeof other === 'object') {
    const [some, others] = [one as Fields, other as Fields];
    if (Object.keys(some).join() !== Object.keys(others).join()) return [`${at}: other fields`];
    return Object.keys(some).flatMap((name) =>
      change.test(name) && typeof some[name] === typeof others[name]
        ? []
        : differences(some[name], others[name], change, `${at}.${name}`),
    );
  }
  return TEXTS.test(at) || one === other ? [] : [`${at}: ${one} and ${other}`];
}
