/** What a script learns from the exit code. */
export const EXIT = {
  ok: 0,
  /** It ran, and some of the images were not made, or could not be written here. */
  partial: 1,
  /** The command line, the file or a row is wrong; nothing was submitted. */
  invalid: 2,
  /** The server cannot be reached, or refused for now. */
  unavailable: 3,
  /** It would cost more than was agreed to; nothing was submitted. */
  declined: 4,
  interrupted: 130,
} as const;

/** Ends the command with a code and, for people, a reason. */
export class Exit extends Error {
  readonly code: number;

  constructor(code: number, message: string) {
    super(message);
    this.name = 'Exit';
    this.code = code;
  }
}
