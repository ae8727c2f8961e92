/** A refusal as GCS words it: `{ error: { code, message, errors: [{ reason }] } }`. */
export class Refusal extends Error {
  readonly status: number;
  readonly reason: string;

  constructor(status: number, reason: string, message: string) {
    super(message);
    this.status = status;
    this.reason = reason;
  }
}

export const notFound = (what: string): Refusal => new Refusal(404, 'notFound', what);
export const invalid = (message: string): Refusal => new Refusal(400, 'invalid', message);
export const conditionNotMet = (): Refusal =>
  new Refusal(412, 'conditionNotMet', 'At least one of the pre-conditions you specified did not hold.');
