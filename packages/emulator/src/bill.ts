/** What Google would charge. The rates are the emulator's own, so that a ledger can be held against them. */
import type { Model } from './models.ts';

/** Tokens of one answer, by how they are charged. */
export type Tokens = {
  prompt: number;
  /** Of the image modality, drafts included. */
  image: number;
  /** Candidate tokens that are not image tokens, plus thoughts. */
  text: number;
};

/** One charged call, as the journal carries it. */
export type Charge = {
  images: number;
  prompt_tokens: number;
  image_tokens: number;
  text_tokens: number;
  cost_micros: number;
};

type Sums = { calls: number; billed_calls: number; images: number; cost_micros: number };

/** Totals over all calls that make images. Money in integer micro-dollars. */
export type Bill = Sums & { by_model: Record<string, Sums> };

/** The charge for one answer: each kind of token at its rate, rounded once. */
export function chargeFor(model: Model, tokens: Tokens, images: number): Charge {
  const { input, text, image } = model.rates;
  return {
    images,
    prompt_tokens: tokens.prompt,
    image_tokens: tokens.image,
    text_tokens: tokens.text,
    cost_micros: Math.round(tokens.prompt * input + tokens.text * text + tokens.image * image),
  };
}

export function emptyBill(): Bill {
  return { ...nothing(), by_model: {} };
}

/** Counts a call that asked for an image, charged or not. */
export function countCall(bill: Bill, model: string): void {
  bill.calls += 1;
  sumsOf(bill, model).calls += 1;
}

export function countCharge(bill: Bill, model: string, { images, cost_micros }: Charge): void {
  for (const sums of [bill, sumsOf(bill, model)]) {
    sums.billed_calls += 1;
    sums.images += images;
    sums.cost_micros += cost_micros;
  }
}

function sumsOf(bill: Bill, model: string): Sums {
  const sums = bill.by_model[model] ?? nothing();
  bill.by_model[model] = sums;
  return sums;
}

function nothing(): Sums {
  return { calls: 0, billed_calls: 0, images: 0, cost_micros: 0 };
}
