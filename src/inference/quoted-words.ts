/** What a program of containers says went wrong, or passes on, in logfmt. */
const ERROR = /\berror="((?:[^"\\]|\\.)+)/;
const MESSAGE = /\bmsg="((?:[^"\\]|\\.)+)/;
/** QEMU's own stamp and name, where libvirt or one of its clients quotes its line. */
const QUOTED =
  /\b\d{4}-\d\d-\d\dT[\d:.]{8,18}Z (?=(?:\S{0,64}\/)?(?:qemu-[\w.-]{1,64}|qemu|kvm): )/;

/** The words of a message without those of the programs that pass it on. */
export function quotedWords(text: string): string {
  const passed = text.startsWith('time="')
    ? (ERROR.exec(text)?.[1] ?? MESSAGE.exec(text)?.[1] ?? text)
    : text;
  const quoted = QUOTED.exec(passed);
  return quoted === null ? passed : passed.slice(quoted.index + quoted[0].length);
}
