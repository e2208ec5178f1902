namespace BillingMigration.Store;

/// <summary>Several texts as one, equal for equal ones only, whatever characters stand in them.</summary>
internal static class JoinedText
{
    public static string Of(IEnumerable<string?> texts) => string.Join('\u0001', texts.Select(t => t switch
    {
        null => "\u0002n",
        _ when t.AsSpan().IndexOfAny('\u0001', '\u0002') < 0 => t,
        _ => t.Replace("\u0002", "\u0002\u0002", StringComparison.Ordinal).Replace("\u0001", "\u00021", StringComparison.Ordinal),
    }));
}
