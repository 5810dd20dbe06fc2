/** A record that is reused: whoever owns it writes what all others only read. */
export type Mutable<T> = { -readonly [Key in keyof T]: T[Key] };
