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
/// Looks at suspects again until each is a difference or gone. While applications write, both sides are never read at one moment. That they were equal at one is enough; a difference is real when what the
/// leading side has was the same before and after the other side was read, everything up to the first of these was written by then, and this twice with the same on both sides.
/// </summary>
internal sealed class Resolver(Examiner examiner, SourceLookup source, IWrittenWatch written, int mostLooks)
{
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
            var examined = await LookAsync(suspects, cancellationToken);
            confirmed.AddRange(examined.Where(e => !e.IsEqual).Select(e => (e, quietAt)));
            return new Resolution(confirmed, [], null);
        }

        var left = suspects;
        var seen = new Dictionary<string, Confirmation>(StringComparer.Ordinal);
        for (var look = 0; look < mostLooks && left.Count > 0; look++)
        {
            // What changes all the time is seldom the same for as long as it takes to wait for its change.
            Examined[] before = [.. (await LookAsync(left, cancellationToken)).Where(e => !e.IsEqual)];
            left = [.. before.Select(e => e.Suspect)];
            if (left.Count == 0)
            {
                break;
            }

            var position = await source.PositionAsync(cancellationToken);
            if (!await written.WaitWrittenAsync(position, cancellationToken))
            {
                return new Resolution(confirmed, left, written.StandsStill(position), true);
            }

            left = Sort(await AgainAsync(before, cancellationToken), position, seen, confirmed);
        }

        return new Resolution(confirmed, left, left.Count == 0 ? null : "Some rows change faster than they can be looked at. Check again when they change less.");
    }

    private static List<Suspect> Sort(
        IEnumerable<(Examined Now, bool Stands)> looked, SourcePosition position, Dictionary<string, Confirmation> seen, List<(Examined, SourcePosition)> confirmed)
    {
        var left = new List<Suspect>();
        foreach (var (now, stands) in looked)
        {
            var key = now.Suspect.KeyText;
            if (now.IsEqual)
            {
                continue;
            }

            if (!stands)
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

    /// <summary>Both sides as they are now; rows are read first.</summary>
    private async Task<IReadOnlyList<Examined>> LookAsync(IReadOnlyCollection<Suspect> suspects, CancellationToken cancellationToken) =>
        await examiner.ReadItemsAsync(await examiner.ReadRowsAsync(suspects, cancellationToken), cancellationToken);

    /// <summary>The other side, and whether the leading one still has what it had before.</summary>
    private async Task<IEnumerable<(Examined Now, bool Stands)>> AgainAsync(Examined[] before, CancellationToken cancellationToken)
    {
        Suspect[] suspects = [.. before.Select(e => e.Suspect)];
        if (written.TableLeads)
        {
            var items = before.ToDictionary(e => e.Suspect.KeyText, e => e.Actual, StringComparer.Ordinal);
            return (await LookAsync(suspects, cancellationToken)).Select(now => (now, Same(items[now.Suspect.KeyText], now.Actual)));
        }

        var examined = await examiner.ReadItemsAsync(before, cancellationToken);
        var after = (await examiner.ReadRowsAsync(suspects, cancellationToken)).ToDictionary(e => e.Suspect.KeyText, e => e.Expected, StringComparer.Ordinal);
        return examined.Select(now => (now, Same(now.Expected, after[now.Suspect.KeyText])));
    }
}
