using BillingMigration.Source;

namespace BillingMigration.Integrity;

/// <summary>What became of the suspects.</summary>
/// <param name="Confirmed">Real differences, with the position at which each is one.</param>
/// <param name="Undecided">Neither confirmed nor gone.</param>
/// <param name="Reason">Why there are such.</param>
/// <param name="StandsStill">The change stream does not move: waiting for it again is of no use.</param>
internal sealed record Resolution(
    IReadOnlyList<(Examined Examined, SourcePosition Position)> Confirmed, IReadOnlyCollection<Suspect> Undecided, string? Reason, bool StandsStill = false);

/// <summary>
/// Looks at suspects again until each is a difference or gone. While applications write, row and item are never read at one moment: a difference is real when
/// the row was the same before and after its item was read, everything up to the first of these was written by then, and this twice with the same item.
/// </summary>
internal sealed class Resolver(Examiner examiner, SourceLookup source, SyncWatch sync)
{
    private const int Rounds = 20;
    private const int Confirmations = 2;

    private sealed record Confirmation(byte[]? Expected, byte[]? Actual, int Times);

    /// <param name="quietAt">Position of a source whose migrated rows did not change, and of which everything is written; null: it is not so quiet.</param>
    public async Task<Resolution> ResolveAsync(IReadOnlyCollection<Suspect> suspects, SourcePosition? quietAt, CancellationToken cancellationToken)
    {
        var confirmed = new List<(Examined, SourcePosition)>();
        if (suspects.Count == 0)
        {
            return new Resolution(confirmed, [], null);
        }

        if (quietAt is not null)
        {
            var examined = await examiner.ReadItemsAsync(await examiner.ReadRowsAsync(suspects, cancellationToken), cancellationToken);
            confirmed.AddRange(examined.Where(e => !e.IsEqual).Select(e => (e, quietAt)));
            return new Resolution(confirmed, [], null);
        }

        var left = suspects;
        var seen = new Dictionary<string, Confirmation>(StringComparer.Ordinal);
        for (var round = 0; round < Rounds && left.Count > 0; round++)
        {
            var rows = await examiner.ReadRowsAsync(left, cancellationToken);
            var position = await source.PositionAsync(cancellationToken);
            if (!await sync.WaitWrittenAsync(position, cancellationToken))
            {
                return new Resolution(confirmed, left, $"The change stream does not come to {position}, so what differs may be on its way. Run Sync-BillingChanges, with -Follow while applications write, and check again.", true);
            }

            var examined = await examiner.ReadItemsAsync(rows, cancellationToken);
            var after = (await examiner.ReadRowsAsync(left, cancellationToken)).ToDictionary(e => e.Suspect.KeyText, StringComparer.Ordinal);
            left = Sort(examined, after, position, seen, confirmed);
        }

        return new Resolution(confirmed, left, left.Count == 0 ? null : "Some rows change faster than they can be looked at. Check again when they change less.");
    }

    private static List<Suspect> Sort(
        IReadOnlyList<Examined> examined, Dictionary<string, Examined> after, SourcePosition position, Dictionary<string, Confirmation> seen, List<(Examined, SourcePosition)> confirmed)
    {
        var left = new List<Suspect>();
        foreach (var now in examined)
        {
            var key = now.Suspect.KeyText;
            if (now.IsEqual)
            {
                continue;
            }

            if (!Same(now.Expected, after[key].Expected))
            {
                seen.Remove(key);
                left.Add(now.Suspect);
                continue;
            }

            var times = seen.TryGetValue(key, out var before) && Same(before.Expected, now.Expected) && Same(before.Actual, now.Actual) ? before.Times + 1 : 1;
            if (times >= Confirmations)
            {
                confirmed.Add((now, position));
            }
            else
            {
                seen[key] = new Confirmation(now.Expected, now.Actual, times);
                left.Add(now.Suspect);
            }
        }

        return left;
    }

    private static bool Same(byte[]? one, byte[]? other) => one is null ? other is null : other is not null && one.AsSpan().SequenceEqual(other);
}
