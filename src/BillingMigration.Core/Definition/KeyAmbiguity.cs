namespace BillingMigration.Definition;

/// <summary>
/// Whether two templates could render the same key. Values never contain <c>#</c>, so a template has a fixed number of segments: two
/// templates are surely disjoint when these numbers differ, or when at some position the fixed texts cannot both be true.
/// </summary>
internal static class KeyAmbiguity
{
    public static bool CouldBeEqual(KeyTemplate left, KeyTemplate right)
    {
        var a = Segments(left);
        var b = Segments(right);
        return a.Count == b.Count && a.Zip(b).All(pair => CouldBeEqual(pair.First, pair.Second));
    }

    /// <summary>Two items are the same when both keys are.</summary>
    public static bool CouldClash(EntityDefinition left, EntityDefinition right) =>
        CouldBeEqual(left.PartitionKey, right.PartitionKey) && CouldBeEqual(left.SortKey, right.SortKey);

    private static bool CouldBeEqual(Segment a, Segment b)
    {
        if (a.IsLiteral && b.IsLiteral)
        {
            return a.Prefix == b.Prefix;
        }

        // ORDER{x} and BILL{y} begin differently; A{x} and the literal ABC may meet.
        return Meets(a.Prefix, b.Prefix, StartsWith) && Meets(a.Suffix, b.Suffix, EndsWith)
            && !(a.IsLiteral && a.Prefix.Length < b.Prefix.Length + b.Suffix.Length)
            && !(b.IsLiteral && b.Prefix.Length < a.Prefix.Length + a.Suffix.Length);
    }

    private static bool Meets(string a, string b, Func<string, string, bool> covers) => covers(a, b) || covers(b, a);

    private static bool StartsWith(string text, string start) => text.StartsWith(start, StringComparison.Ordinal);

    private static bool EndsWith(string text, string end) => text.EndsWith(end, StringComparison.Ordinal);

    private static List<Segment> Segments(KeyTemplate template)
    {
        var segments = new List<Segment> { new() };
        foreach (var part in template.Parts)
        {
            if (part is not KeyLiteral literal)
            {
                segments[^1].AddColumn();
                continue;
            }

            var texts = literal.Text.Split('#');
            segments[^1].AddLiteral(texts[0]);
            foreach (var text in texts.Skip(1))
            {
                segments.Add(new Segment());
                segments[^1].AddLiteral(text);
            }
        }

        return segments;
    }

    private sealed class Segment
    {
        private string suffix = string.Empty;

        public bool IsLiteral { get; private set; } = true;

        public string Prefix { get; private set; } = string.Empty;

        public string Suffix => IsLiteral ? Prefix : suffix;

        public void AddLiteral(string text)
        {
            if (IsLiteral)
            {
                Prefix += text;
            }
            else
            {
                suffix += text;
            }
        }

        public void AddColumn() => (IsLiteral, suffix) = (false, string.Empty);
    }
}
