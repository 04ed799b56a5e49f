/** Words of the tiny text models, beside the special tokens; a `##` piece only continues a word. */
const WORDS =
  'a an and are bad be boring but day film for good great hate he i in is it like love my not of on plot sad she slow ' +
  'the this to very was we well with wonderful you your ##s ##ed ##ing ##ly ##er . , ! ?';

const SPECIAL = ['[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]'] as const;

/** Every token of the tiny text models; a token's id is its index. `[PAD]` is 0, `[UNK]` 1, `[CLS]` 2, `[SEP]` 3. */
export const TINY_VOCABULARY: readonly string[] = [...SPECIAL, ...WORDS.split(' ')];

/** Most tokens of one text of the tiny text models, special tokens included. */
export const TINY_MAX_TOKENS = 32;

const special = (token: (typeof SPECIAL)[number]): number => SPECIAL.indexOf(token);

/** `tokenizer.json` of an uncased WordPiece tokenizer as BERT has it, over `TINY_VOCABULARY`. */
export function tinyTokenizer(): object {
  const bos = { SpecialToken: { id: '[CLS]', type_id: 0 } };
  const eos = { SpecialToken: { id: '[SEP]', type_id: 0 } };
  return {
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: SPECIAL.map((content, id) => ({
      id,
      content,
      special: true,
      single_word: false,
      lstrip: false,
      rstrip: false,
      normalized: false,
    })),
    normalizer: {
      type: 'BertNormalizer',
      clean_text: true,
      handle_chinese_chars: true,
      strip_accents: null,
      lowercase: true,
    },
    pre_tokenizer: { type: 'BertPreTokenizer' },
    post_processor: {
      type: 'TemplateProcessing',
      single: [bos, { Sequence: { id: 'A', type_id: 0 } }, eos],
      pair: [bos, { Sequence: { id: 'A', type_id: 0 } }, eos, { Sequence: { id: 'B', type_id: 1 } }, eos],
      special_tokens: {
        '[CLS]': { id: '[CLS]', ids: [special('[CLS]')], tokens: ['[CLS]'] },
        '[SEP]': { id: '[SEP]', ids: [special('[SEP]')], tokens: ['[SEP]'] },
      },
    },
    decoder: { type: 'WordPiece', prefix: '##', cleanup: true },
    model: {
      type: 'WordPiece',
      unk_token: '[UNK]',
      continuing_subword_prefix: '##',
      max_input_chars_per_word: 100,
      vocab: Object.fromEntries(TINY_VOCABULARY.map((token, id) => [token, id])),
    },
  };
}

/** `tokenizer_config.json` beside `tinyTokenizer()`. */
export function tinyTokenizerConfig(): object {
  return {
    tokenizer_class: 'BertTokenizer',
    model_max_length: TINY_MAX_TOKENS,
    do_lower_case: true,
    cls_token: '[CLS]',
    sep_token: '[SEP]',
    pad_token: '[PAD]',
    unk_token: '[UNK]',
    mask_token: '[MASK]',
  };
}
