/** Characters that XML 1.0 cannot hold, not even as references. */
const FORBIDDEN = /(?![\t\n\r])[\p{Cc}\p{Cs}\ufffe\uffff]/gu;
const SPECIAL = /[<>&"'\t\n\r]/g;

const REFERENCES: Readonly<Record<string, string>> = {
  '<': '&lt;',
  '>': '&gt;',
  '&': '&amp;',
  '"': '&quot;',
  "'": '&apos;',
  '\t': '&#9;',
  '\n': '&#10;',
  '\r': '&#13;',
};

/** Text between tags; line ends stay. */
export function xmlText(text: string): string {
  return text
    .replace(FORBIDDEN, '')
    .replace(/[<>&\r]/g, (character) => REFERENCES[character] ?? '');
}

/** An opening tag; the values of attributes may hold anything. */
export function openTag(
  name: string,
  attributes: Readonly<Record<string, string | number>>,
): string {
  const list = Object.entries(attributes).map(
    ([key, value]) => ` ${key}="${attribute(String(value))}"`,
  );
  return `<${name}${list.join('')}>`;
}

/** A whole element that holds nothing but text. */
export function element(
  name: string,
  attributes: Readonly<Record<string, string | number>>,
  text = '',
): string {
  return `${openTag(name, attributes)}${xmlText(text)}</${name}>`;
}

function attribute(value: string): string {
  return value.replace(FORBIDDEN, '').replace(SPECIAL, (character) => REFERENCES[character] ?? '');
}
