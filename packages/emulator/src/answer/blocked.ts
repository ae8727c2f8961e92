/** The words in which the API says that there is no image. */
import type { FinishReason } from '../faults/rules.ts';

const NOT_CHARGED = 'You will not be charged for this request.';

const FEEDBACK = 'If you think this was an error, send feedback.';
const POLICY =
  "Unable to show the generated image. The image was filtered out because it violated Google's Generative AI " +
  `Prohibited Use policy. Try rephrasing the prompt. ${FEEDBACK}`;

const MESSAGES: Partial<Record<FinishReason, string>> = {
  IMAGE_SAFETY: POLICY,
  PROHIBITED_CONTENT: POLICY,
  IMAGE_PROHIBITED_CONTENT:
    'Unable to show the generated image due to interests of third-party content providers. Please edit your prompt and ' +
    `try again. ${FEEDBACK} Support code: 35561574.`,
  IMAGE_RECITATION:
    'Unable to show the generated image. The image may resemble existing content too closely. Try rephrasing the prompt.',
  IMAGE_OTHER:
    'Unable to show the generated image. The model could not generate the image based on the prompt provided. ' +
    `${NOT_CHARGED} Try rephrasing the prompt.`,
  NO_IMAGE:
    'Unable to show the generated image. The model could not generate the image based on the prompt provided. ' +
    'Try rephrasing the prompt.',
};
const OTHERWISE = 'Unable to show the generated image. Try rephrasing the prompt.';

/** The API's message for a finish reason; `charged` adds or drops the sentence about money. */
export function finishMessage(reason: FinishReason, charged?: boolean): string {
  const usual = MESSAGES[reason] ?? OTHERWISE;
  if (charged === undefined || charged === isCharged(usual)) return usual;
  return charged ? usual.replace(`${NOT_CHARGED} `, '') : `${usual} ${NOT_CHARGED}`;
}

/** The message does not say that the call is free. */
export function isCharged(message: string): boolean {
  return !message.includes('You will not be charged');
}
