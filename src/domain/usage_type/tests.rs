use super::*;

/// The meaning in words: `claude-opus-4.6 cache_write 1h global standard standard`.
fn words(usage_type: &str, metadata: ProductMetadata<'_>) -> String {
    let meaning = Meaning::read(usage_type, metadata);
    let model = meaning.model.map_or("-".to_owned(), |m| m.to_string());
    match meaning.tokens {
        Some(t) => format!(
            "{model} {} {} {} {} {}",
            t.kind,
            t.ttl.map_or("-", CacheTtl::as_str),
            t.route,
            t.tier,
            t.context
        ),
        None => format!("{model} {}", meaning.line_kind),
    }
}

fn check(usage_type: &str, expected: &str) {
    assert_eq!(words(usage_type, ProductMetadata::default()), expected, "{usage_type}");
}

#[test]
fn classic_strings() {
    for (usage_type, expected) in [
        (
            "USE1-Claude4.6Sonnet-input-tokens",
            "claude-sonnet-4.6 input - regional standard standard",
        ),
        (
            "USE1-Claude4.6Sonnet-output-tokens",
            "claude-sonnet-4.6 output - regional standard standard",
        ),
        (
            "USE1-Claude4.6Sonnet-cache-read-input-token-count",
            "claude-sonnet-4.6 cache_read - regional standard standard",
        ),
        (
            "USE1-Claude4.6Sonnet-output-tokens-cross-region-global",
            "claude-sonnet-4.6 output - global standard standard",
        ),
        (
            "USE1-Claude4.6Opus-input-tokens",
            "claude-opus-4.6 input - regional standard standard",
        ),
        (
            "USE1-Claude4.6Opus-output-tokens",
            "claude-opus-4.6 output - regional standard standard",
        ),
        (
            "USW2-Claude4.6Sonnet-cache-write-input-token-count",
            "claude-sonnet-4.6 cache_write 5m regional standard standard",
        ),
        (
            "USW2-Claude4.6Sonnet-cache-read-input-token-count",
            "claude-sonnet-4.6 cache_read - regional standard standard",
        ),
        (
            "USW2-Claude4.6Sonnet-input-tokens",
            "claude-sonnet-4.6 input - regional standard standard",
        ),
        (
            "USW2-Claude4.6Sonnet-output-tokens",
            "claude-sonnet-4.6 output - regional standard standard",
        ),
        (
            "USW2-Claude4.5Sonnet-input-tokens",
            "claude-sonnet-4.5 input - regional standard standard",
        ),
        (
            "USW2-Claude4.5Sonnet-output-tokens",
            "claude-sonnet-4.5 output - regional standard standard",
        ),
        (
            "USW2-Claude4.5Sonnet-cache-write-input-token-count",
            "claude-sonnet-4.5 cache_write 5m regional standard standard",
        ),
        (
            "USE1-Claude4.5Haiku-input-tokens",
            "claude-haiku-4.5 input - regional standard standard",
        ),
        (
            "USE1-Claude4.5Haiku-input-tokens-cross-region-global",
            "claude-haiku-4.5 input - global standard standard",
        ),
        (
            "USW2-Claude4.5Haiku-output-tokens-cross-region-global",
            "claude-haiku-4.5 output - global standard standard",
        ),
        (
            "USW2-Claude4.5Haiku-cache-read-input-token-count-cross-region-global",
            "claude-haiku-4.5 cache_read - global standard standard",
        ),
        (
            "USW2-Claude4.5Haiku-cache-write-input-token-count-cross-region-global",
            "claude-haiku-4.5 cache_write 5m global standard standard",
        ),
        (
            "USE1-Claude4.5Haiku-input-token-count-global",
            "claude-haiku-4.5 input - global standard standard",
        ),
        (
            "USE1-Claude4.5Haiku-output-token-count",
            "claude-haiku-4.5 output - regional standard standard",
        ),
        (
            "USE1-Claude4.5Haiku-cache-read-input-token-count-global",
            "claude-haiku-4.5 cache_read - global standard standard",
        ),
        (
            "USE1-Claude4.5Haiku-cache-write-input-token-count-global",
            "claude-haiku-4.5 cache_write 5m global standard standard",
        ),
        (
            "USE1-Claude4.6Opus-input-tokens-cross-region-global",
            "claude-opus-4.6 input - global standard standard",
        ),
        (
            "USE1-Claude4.6Opus-output-tokens-cross-region-global",
            "claude-opus-4.6 output - global standard standard",
        ),
        (
            "USE1-Claude4.6Opus-cache-read-input-token-count",
            "claude-opus-4.6 cache_read - regional standard standard",
        ),
        (
            "USE1-Claude4.6Opus-cache-read-input-token-count-cross-region-global",
            "claude-opus-4.6 cache_read - global standard standard",
        ),
        (
            "USW2-Claude4.6Opus-output-tokens",
            "claude-opus-4.6 output - regional standard standard",
        ),
        (
            "USE1-Claude4Opus-input-tokens",
            "claude-opus-4 input - regional standard standard",
        ),
        (
            "USE1-Claude3Sonnet-input-tokens",
            "claude-sonnet-3 input - regional standard standard",
        ),
        (
            "USE1-Claude2.0-input-tokens",
            "claude-2.0 input - regional standard standard",
        ),
        (
            "EUW1-Claude4.6Sonnet-input-tokens",
            "claude-sonnet-4.6 input - regional standard standard",
        ),
        (
            "APN1-Claude4.6Opus-input-tokens-cross-region-global-batch",
            "claude-opus-4.6 input - global batch standard",
        ),
        (
            "APN1-Claude4.6Opus-cache-write-1h-input-token-count",
            "claude-opus-4.6 cache_write 1h regional standard standard",
        ),
        (
            "USE1-gpt-oss-120b-output-tokens-priority",
            "gpt-oss-120b output - regional priority standard",
        ),
        (
            "USE1-Nova2.0Lite-input-tokens-flex",
            "nova-lite-2.0 input - regional flex standard",
        ),
        (
            "USE1-NovaLite-input-tokens",
            "nova-lite input - regional standard standard",
        ),
        (
            "USE1-NovaLite-output-tokens",
            "nova-lite output - regional standard standard",
        ),
        (
            "USE1-NovaPro-output-tokens-latency-optimized",
            "nova-pro output - regional latency_optimized standard",
        ),
        (
            "USE1-NovaLite-input-tokens-cross-region-jp",
            "nova-lite input - regional standard standard",
        ),
    ] {
        check(usage_type, expected);
    }
}

#[test]
fn newer_strings() {
    for (usage_type, expected) in [
        (
            "USW2-anthropic.claude-opus-4-8-mantle-cache-write-tokens-standard",
            "claude-opus-4.8 cache_write 5m regional standard standard",
        ),
        (
            "USW2-anthropic.claude-opus-4-8-mantle-input-tokens-global-standard",
            "claude-opus-4.8 input - global standard standard",
        ),
        (
            "USE1-anthropic.claude-opus-4-8-mantle-input-tokens-global-standard",
            "claude-opus-4.8 input - global standard standard",
        ),
        (
            "USW2-anthropic.claude-opus-4-8-mantle-cache-write-tokens-global-standard",
            "claude-opus-4.8 cache_write 5m global standard standard",
        ),
        (
            "USE1-anthropic.claude-opus-5-mantle-input-tokens",
            "claude-opus-5 input - regional standard standard",
        ),
        (
            "USE1-anthropic.claude-opus-5-mantle-output-tokens-standard",
            "claude-opus-5 output - regional standard standard",
        ),
        (
            "USE1-anthropic.claude-opus-5-mantle-output-tokens-global-standard",
            "claude-opus-5 output - global standard standard",
        ),
        (
            "USE1-anthropic.claude-opus-5-mantle-cache-read-tokens-global-standard",
            "claude-opus-5 cache_read - global standard standard",
        ),
        (
            "APN2-anthropic.claude-opus-5-mantle-output-tokens",
            "claude-opus-5 output - regional standard standard",
        ),
        (
            "USE1-anthropic.claude-opus-5-5-mantle-input-tokens-global-standard",
            "claude-opus-5.5 input - global standard standard",
        ),
        (
            "USE1-anthropic.claude-opus-5-5-mantle-output-tokens-global-standard",
            "claude-opus-5.5 output - global standard standard",
        ),
        (
            "USE1-anthropic.claude-sonnet-5-mantle-input-tokens-standard",
            "claude-sonnet-5 input - regional standard standard",
        ),
        (
            "USE1-anthropic.claude-sonnet-5-mantle-output-tokens-global-standard",
            "claude-sonnet-5 output - global standard standard",
        ),
        (
            "USW2-anthropic.claude-sonnet-5-mantle-output-tokens-global-standard",
            "claude-sonnet-5 output - global standard standard",
        ),
        (
            "USE1-anthropic.claude-sonnet-5-mantle-cache-write-tokens-1h-standard",
            "claude-sonnet-5 cache_write 1h regional standard standard",
        ),
        (
            "USE1-anthropic.claude-haiku-5-5-mantle-input-tokens-global-standard",
            "claude-haiku-5.5 input - global standard standard",
        ),
        (
            "USE1-anthropic.claude-haiku-5-5-mantle-output-tokens-global-standard",
            "claude-haiku-5.5 output - global standard standard",
        ),
        (
            "USE1-anthropic.claude-haiku-5-5-mantle-input-tokens-long-ctx-global-standard",
            "claude-haiku-5.5 input - global standard long",
        ),
        (
            "USE1-anthropic.claude-haiku-5-5-mantle-output-tokens-long-ctx-global-standard",
            "claude-haiku-5.5 output - global standard long",
        ),
        (
            "USE1-openai.gpt-oss-120b-mantle-input-tokens-standard",
            "gpt-oss-120b input - regional standard standard",
        ),
        (
            "USE1-openai.gpt-5-mantle-cache-write-tokens-30m-standard",
            "gpt-5 cache_write 30m regional standard standard",
        ),
    ] {
        check(usage_type, expected);
    }
}

#[test]
fn marketplace_strings() {
    for (usage_type, expected) in [
        (
            "USW2-MP:USW2_InputTokenCount-Units",
            "- input - regional standard standard",
        ),
        (
            "USW2-MP:USW2_OutputTokenCount-Units",
            "- output - regional standard standard",
        ),
        ("USE2_InputTokenCount-Units", "- input - regional standard standard"),
        (
            "USE2_InputTokenCount_Global-Units",
            "- input - global standard standard",
        ),
        (
            "USE2_OutputTokenCount_Global-Units",
            "- output - global standard standard",
        ),
        (
            "APN1-MP:APN1_InputTokenCount-Units",
            "- input - regional standard standard",
        ),
        (
            "APN1-MP:APN1_InputTokenCount_Global-Units",
            "- input - global standard standard",
        ),
        (
            "APN1-MP:APN1_OutputTokenCount_Global-Units",
            "- output - global standard standard",
        ),
        (
            "APN1-MP:APN1_input_tokens_global_standard-Units",
            "- input - global standard standard",
        ),
        (
            "APN1-MP:APN1_output_tokens_global_standard-Units",
            "- output - global standard standard",
        ),
        (
            "APN1-MP:APN1_output_tokens_standard-Units",
            "- output - regional standard standard",
        ),
        (
            "APN1-MP:APN1_MillionBatchInputTokens-Units",
            "- input - regional batch standard",
        ),
        (
            "USE1-MP:USE1_CacheReadInputTokenCount-Units",
            "- cache_read - regional standard standard",
        ),
        (
            "USE1-MP:USE1_CacheReadInputTokenCount_Global-Units",
            "- cache_read - global standard standard",
        ),
        (
            "USE1-MP:USE1_CacheWriteInputTokenCount-Units",
            "- cache_write 5m regional standard standard",
        ),
        (
            "USE1-MP:USE1_CacheWrite1hInputTokenCount-Units",
            "- cache_write 1h regional standard standard",
        ),
        (
            "USE1-MP:USE1_CacheWrite1hInputTokenCount_Global-Units",
            "- cache_write 1h global standard standard",
        ),
        (
            "USE1-MP:USE1_InputTokenCount_Global_Batch-Units",
            "- input - global batch standard",
        ),
        (
            "USW2-MP:USW2_InputTokenCount_Batch-Units",
            "- input - regional batch standard",
        ),
        (
            "USE1-MP:USE1_input_tokens_standard-Units",
            "- input - regional standard standard",
        ),
        (
            "USE1-MP:USE1_output_tokens_standard-Units",
            "- output - regional standard standard",
        ),
        (
            "USE1-MP:USE1_output_tokens_batch-Units",
            "- output - regional batch standard",
        ),
        (
            "USE1-MP:USE1_input_tokens_long_ctx_global_standard-Units",
            "- input - global standard long",
        ),
        (
            "USE1-MP:USE1_cache_write_tokens_1h_standard-Units",
            "- cache_write 1h regional standard standard",
        ),
        (
            "USE1-MP:USE1_cache_write_tokens_1h_global_standard-Units",
            "- cache_write 1h global standard standard",
        ),
        (
            "USE1-MP:USE1_cache_write_tokens_1h_long_ctx_standard-Units",
            "- cache_write 1h regional standard long",
        ),
        (
            "USW2-MP:USW2_cache_read_tokens_standard-Units",
            "- cache_read - regional standard standard",
        ),
        (
            "USW2-MP:USW2_cache_read_tokens_global_standard-Units",
            "- cache_read - global standard standard",
        ),
        (
            "USW2-MP:USW2_cache_write_tokens_global_standard-Units",
            "- cache_write 5m global standard standard",
        ),
        ("USW2_OutputTokenCount_Geo", "- output - regional standard standard"),
        ("USW2_InputTokenCount_LCtx_Global", "- input - global standard long"),
        (
            "USW2_cache_write_tokens_5m_standard",
            "- cache_write 5m regional standard standard",
        ),
    ] {
        check(usage_type, expected);
    }
}

#[test]
fn lines_that_are_not_tokens() {
    for (usage_type, expected) in [
        (
            "USW2-MP:USW2_ProvisionedThroughput_1MonthCommit_ModelUnits_Usage-Units",
            "- capacity",
        ),
        ("USE1-MP:USE1_Reserved_1Month_InputTPM_Geo-Units", "- capacity"),
        ("USE1-MP:USE1_Reserved_3Month_OutputTPM_Global-Units", "- capacity"),
        ("APS7-MP:APS7_Reserved_1Month_InputTPM_Geo-Units", "- capacity"),
        ("USE1-Guardrail-AutomatedReasoningPolicyUnitsConsumed", "- feature"),
        ("USE1-BedrockKnowledgeBase-searchunits", "- feature"),
        ("USE1-Bedrock-Websearch-Queries", "- feature"),
        ("USE1-Runtime:Consumption-based:vCPU", "- feature"),
        ("USE1-Evaluations:Judge-input", "- feature"),
    ] {
        check(usage_type, expected);
    }
}

#[test]
fn strings_outside_the_grammar_stay_unknown() {
    let long = format!("USE1-{}-input-tokens", "x".repeat(500));
    for usage_type in [
        "",
        "-",
        "APN1-Claude7Quill-thinking-glyphs",
        "USE1-Claude4.6Opus-input-tokens-sideways",
        "USE1-Claude4.6Opus-input-tokens-global-global",
        "USE1-Claude4.6Opus-input-tokens-1h",
        "USE1-Claude4.6Opus-inputs-tokens",
        "日本語-input",
        "USE1-MP:ClaudeConsumptionUnits-Units",
        long.as_str(),
    ] {
        check(usage_type, "- unknown");
    }
}

#[test]
fn metadata_comes_first() {
    let named = |model, inference_type| ProductMetadata {
        model: Some(model),
        inference_type,
        ..ProductMetadata::default()
    };
    let cases = [
        (
            "APN1-MP:APN1_InputTokenCount-Units",
            named("Claude Haiku 4.5", Some("Input tokens")),
            "claude-haiku-4.5 input - regional standard standard",
        ),
        (
            "APN1-MP:APN1_cache_write_tokens_1h_global_standard-Units",
            named("Claude Opus 6", Some("Cache write tokens 1h global")),
            "claude-opus-6 cache_write 1h global standard standard",
        ),
        (
            "APN1-Nova2.0Lite-input-tokens",
            named("Nova 2 Lite", None),
            "nova-lite-2.0 input - regional standard standard",
        ),
        (
            "APN1-new-kind-of-string",
            named("Claude Sonnet 7", Some("Prompt cache read input tokens flex")),
            "claude-sonnet-7 cache_read - regional flex standard",
        ),
        (
            "APN1-MP:APN1_InputTokenCount-Units",
            ProductMetadata {
                product_name: Some("Claude 3.5 Sonnet (Amazon Bedrock Edition)"),
                ..Default::default()
            },
            "claude-sonnet-3.5 input - regional standard standard",
        ),
        (
            "APN1-Claude4.6Opus-input-tokens",
            ProductMetadata {
                product_name: Some("Amazon Bedrock Service"),
                ..Default::default()
            },
            "claude-opus-4.6 input - regional standard standard",
        ),
    ];
    for (usage_type, metadata, expected) in cases {
        assert_eq!(words(usage_type, metadata), expected, "{usage_type}");
    }
}

#[test]
fn metadata_that_names_another_kind_is_reported() {
    let metadata = ProductMetadata {
        inference_type: Some("Output tokens"),
        ..ProductMetadata::default()
    };
    let meaning = Meaning::read("USE1-Claude4.6Opus-input-tokens", metadata);
    assert!(meaning.disagrees);
    assert_eq!(meaning.tokens.map(|t| t.kind), Some(TokenKind::Output));
}

#[test]
fn regions_come_from_the_prefix_only_as_a_fallback() {
    let region = |usage_type| Meaning::read(usage_type, ProductMetadata::default()).region;
    assert_eq!(region("APN1-Claude4.6Opus-input-tokens"), Some("ap-northeast-1"));
    assert_eq!(region("EU-Claude4.6Opus-input-tokens"), Some("eu-west-1"));
    assert_eq!(region("USE2_InputTokenCount-Units"), Some("us-east-2"));
    assert_eq!(region("XYZ9-Claude4.6Opus-input-tokens"), None);
}

#[test]
fn units_scale_tokens() {
    assert_eq!(tokens_per_unit("1K tokens"), Some(1_000));
    assert_eq!(tokens_per_unit("1M Tokens"), Some(1_000_000));
    assert_eq!(tokens_per_unit("Units"), Some(1_000_000));
    assert_eq!(tokens_per_unit("10K tokens"), None);
    assert_eq!(tokens_per_unit("1M Input Tokens"), None);
}

proptest::proptest! {
    #[test]
    fn reading_is_total(text in ".{0,80}") {
        let _ = Meaning::read(&text, ProductMetadata { inference_type: Some(&text), model: Some(&text), ..Default::default() });
    }
}
