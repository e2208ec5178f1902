using System.Collections.Immutable;
using System.Globalization;

namespace BillingMigration.Definition;

/// <summary>
/// Reads the grammar of <see cref="KeyTemplate"/>. Placeholders are kept apart by a literal <c>#</c>: values never contain one (rendering
/// escapes it), so a key can be taken apart again and two rows with different values never share a key.
/// </summary>
internal static class KeyTemplateParser
{
    /// <summary>Limits of DynamoDB: a sort key has at most 1,024 bytes, so no literal can be longer.</summary>
    private const int MaxTemplateLength = 1024;

    private const string Example = "Write it like CHARGE#{charged_at}#{charge_id:D20}.";

    /// <summary>Returns what is wrong, or null.</summary>
    public static DefinitionProblem? Parse(string text, out ImmutableArray<KeyPart> parts)
    {
        parts = [];
        if (string.IsNullOrWhiteSpace(text))
        {
            return Problem("The key template is empty.", Example);
        }

        if (text.Length > MaxTemplateLength)
        {
            return Problem($"The key template has {text.Length} characters; at most {MaxTemplateLength} are possible.", "Shorten it.");
        }

        var found = new List<KeyPart>();
        for (var at = 0; at < text.Length;)
        {
            if (text[at] == '}')
            {
                return Problem($"The key template '{text}' has a '}}' at character {at + 1} that closes nothing.", Example);
            }

            if (text[at] != '{')
            {
                var end = text.AsSpan(at).IndexOfAny('{', '}') is var next and >= 0 ? at + next : text.Length;
                found.Add(new KeyLiteral(text[at..end]));
                at = end;
                continue;
            }

            var close = text.AsSpan(at + 1).IndexOfAny('{', '}') is var stop and >= 0 ? at + 1 + stop : -1;
            if (close < 0 || text[close] == '{')
            {
                return Problem($"The key template '{text}' opens a '{{' at character {at + 1} and never closes it.", Example);
            }

            if (Separation(text, found) is { } adjacent)
            {
                return adjacent;
            }

            if (ParsePlaceholder(text, text[(at + 1)..close], out var column) is { } wrong)
            {
                return wrong;
            }

            found.Add(column);
            at = close + 1;
        }

        parts = [.. found];
        return null;
    }

    private static DefinitionProblem? Separation(string text, List<KeyPart> before)
    {
        var previous = before.FindLastIndex(p => p is KeyColumn);
        if (previous < 0 || (previous + 1 < before.Count && before[previous + 1] is KeyLiteral literal && literal.Text.Contains('#', StringComparison.Ordinal)))
        {
            return null;
        }

        return Problem(
            $"The key template '{text}' has two placeholders with no '#' between them: different rows could get the same key ('1' and '23', '12' and '3').",
            "Put a '#' between them.");
    }

    private static DefinitionProblem? ParsePlaceholder(string text, string inner, out KeyColumn column)
    {
        column = new KeyColumn(null, inner, null, null);
        var reference = inner;
        string? format = null;
        int? shards = null;
        if (inner.IndexOf(':', StringComparison.Ordinal) is var colon and >= 0)
        {
            (reference, format) = (inner[..colon], inner[(colon + 1)..]);
            if (FormatProblem(inner, format) is { } wrong)
            {
                return wrong;
            }
        }
        else if (inner.IndexOf('%', StringComparison.Ordinal) is var percent and >= 0)
        {
            reference = inner[..percent];
            var number = inner[(percent + 1)..];
            if (!int.TryParse(number, NumberStyles.None, CultureInfo.InvariantCulture, out var count) || count is < 2 or > 1000)
            {
                return Problem($"The placeholder '{{{inner}}}' asks for '{number}' shards.", "Write a whole number from 2 to 1000 after the '%'.");
            }

            shards = count;
        }

        var dots = reference.Split('.');
        if (dots.Length > 2 || dots.Any(name => name.Length == 0 || name.Trim() != name || name.AsSpan().IndexOfAny('#', '%') >= 0))
        {
            return Problem(
                $"The placeholder '{{{inner}}}' in '{text}' names no column.",
                "Write {column} for a column of the row, or {lookup.column} for a column of a row it refers to, without spaces.");
        }

        column = dots.Length == 2 ? new KeyColumn(dots[0], dots[1], format, shards) : new KeyColumn(null, dots[0], format, shards);
        return null;
    }

    private static DefinitionProblem? FormatProblem(string inner, string format)
    {
        if (format is "yyyy" or "yyyy-MM" or "yyyy-MM-dd" or KeyColumn.Collated)
        {
            return null;
        }

        const string Formats = "Use D1 to D20 (an integer with leading zeros), yyyy, yyyy-MM or yyyy-MM-dd (a date cut short), or collated (a text as its collation compares it).";
        if (format.Length < 2 || format[0] != 'D' || !format.AsSpan(1).ContainsOnlyDigits() || format[1] == '0' && format.Length > 2)
        {
            return Problem($"The placeholder '{{{inner}}}' has the unknown format '{format}'.", Formats);
        }

        return int.TryParse(format.AsSpan(1), NumberStyles.None, CultureInfo.InvariantCulture, out var digits) && digits is >= 1 and <= 20
            ? null
            : Problem($"The placeholder '{{{inner}}}' asks for {format[1..]} digits; 1 to 20 are possible.", Formats);
    }

    private static bool ContainsOnlyDigits(this ReadOnlySpan<char> text) => text.IndexOfAnyExceptInRange('0', '9') < 0;

    private static DefinitionProblem Problem(string problem, string remedy) => new(string.Empty, problem, remedy);
}
