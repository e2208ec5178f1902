using System.Collections.Immutable;

namespace BillingMigration.Store;

/// <summary>Where two backends' answers to the same call differ.</summary>
internal static class AnswerDifference
{
    /// <summary>The first row that differs; behind a row that is on one side only the answers are out of step.</summary>
    public static StoreDifference? Of(string call, IReadOnlyList<BillingRecord> one, IReadOnlyList<BillingRecord> two)
    {
        for (var i = 0; i < Math.Max(one.Count, two.Count); i++)
        {
            if (Of(call, i < one.Count ? one[i] : null, i < two.Count ? two[i] : null, out _) is { } difference)
            {
                return difference;
            }
        }

        return null;
    }

    /// <param name="inStep">False when one side has another row here, and what follows says nothing any more.</param>
    public static StoreDifference? Of(string call, BillingRecord? one, BillingRecord? two, out bool inStep)
    {
        inStep = one?.ToString() == two?.ToString();
        if (one is null || two is null || !inStep)
        {
            return inStep
                ? null
                : new StoreDifference(call, (one ?? two)!.ToString(), [], one is null ? "only the second has the row here" : two is null ? "only the first has the row here" : $"the second has {two} in its place");
        }

        ImmutableArray<string> columns = [.. one.Columns.Where(c => one.Text(c) != two.Text(c))];
        return columns.IsEmpty ? null : new StoreDifference(call, one.ToString(), columns, $"{string.Join(", ", columns)} differ");
    }

    public static StoreDifference? Of(string call, IReadOnlyList<TotalRow> one, IReadOnlyList<TotalRow> two) =>
        one.Select(Text).SequenceEqual(two.Select(Text)) ? null : new StoreDifference(call, null, [], "the sums differ");

    public static string Name(Exception? error) => error switch { null => "answers", StoreException e => $"refuses ({e.Error})", MigrationException e => $"fails ({e.ErrorId})", _ => $"fails ({error.GetType().Name})" };

    private static string Text(TotalRow row) => $"{string.Join('|', row.Group.Select(g => g ?? "\u0002"))} {row.Count} {string.Join('|', row.Sums)}";
}
