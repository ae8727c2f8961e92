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

/** What one batch came to; its `calls` are its answered lines. */
type BatchSums = Sums & { model: string; display_name: string };

/**
 * Totals over all calls that make images; each answered line of a batch is one. Money in integer micro-dollars.
 */
export type Bill = Sums & {
  by_model: Record<string, Sums>;
  by_project: Record<string, Sums>;
  by_lane: { standard: Sums; batch: Sums };
  /** The latest 10,000 batches that are over, by id without `batches/`. */
  by_batch: Record<string, BatchSums>;
};

const BATCHES_MAX = 10_000;

/** The charge for one answer: each kind of token at its rate, that share of it, rounded once. */
export function chargeFor(model: Model, tokens: Tokens, images: number, share = 1): Charge {
  const { input, text, image } = model.rates;
  return {
    images,
    prompt_tokens: tokens.prompt,
    image_tokens: tokens.image,
    text_tokens: tokens.text,
    cost_micros: Math.round(share * (tokens.prompt * input + tokens.text * text + tokens.image * image)),
  };
}

export function emptyBill(): Bill {
  return {
    ...nothing(),
    by_model: {},
    by_project: {},
    by_lane: { standard: nothing(), batch: nothing() },
    by_batch: {},
  };
}

/** Counts a call that asked for an image, charged or not. */
export function countCall(bill: Bill, model: string, project: string): void {
  for (const sums of [bill, sumsOf(bill.by_model, model), sumsOf(bill.by_project, project), bill.by_lane.standard])
    sums.calls += 1;
}

export function countCharge(bill: Bill, model: string, project: string, charge: Charge): void {
  for (const sums of [bill, sumsOf(bill.by_model, model), sumsOf(bill.by_project, project), bill.by_lane.standard])
    add(sums, charge);
}

/** Counts a batch that is over: an entry for each answer, with what it cost if it did. */
export function countBatch(
  bill: Bill,
  { id, model, project, displayName }: { id: string; model: string; project: string; displayName: string },
  charges: Iterable<Charge | undefined>,
): void {
  const own = { ...nothing(), model, display_name: displayName };
  for (const charge of charges) {
    const totals = [bill, sumsOf(bill.by_model, model), sumsOf(bill.by_project, project), bill.by_lane.batch, own];
    for (const sums of totals) {
      sums.calls += 1;
      if (charge) add(sums, charge);
    }
  }
  bill.by_batch[id] = own;
  const [oldest, ...others] = Object.keys(bill.by_batch);
  if (oldest !== undefined && others.length >= BATCHES_MAX) delete bill.by_batch[oldest];
}

function add(sums: Sums, { images, cost_micros }: Charge): void {
  sums.billed_calls += 1;
  sums.images += images;
  sums.cost_micros += cost_micros;
}

function sumsOf(all: Record<string, Sums>, name: string): Sums {
  const sums = all[name] ?? nothing();
  all[name] = sums;
  return sums;
}

function nothing(): Sums {
  return { calls: 0, billed_calls: 0, images: 0, cost_micros: 0 };
}
