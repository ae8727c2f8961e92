/** OpenRouter's names for the models. */
import { findModel, type Model } from '../models.ts';

const AUTHOR = 'google/';

/** The model that OpenRouter calls `id`. */
export function openRouterModel(id: string): Model | undefined {
  return id.startsWith(AUTHOR) ? findModel(id.slice(AUTHOR.length)) : undefined;
}

/** OpenRouter's name for a model. */
export function openRouterId(model: Model): string {
  return AUTHOR + model.id;
}
