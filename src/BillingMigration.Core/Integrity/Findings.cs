using System.Collections.Concurrent;
using BillingMigration.Model;
using BillingMigration.Source;

namespace BillingMigration.Integrity;

/// <summary>
/// What became of everything that did not agree. Suspects come together, and are looked at again a bounded number at a time. None is passed over while a verdict hangs on it: only once as many differences are
/// confirmed as are kept, so that the check has failed whatever else there is, are further ones counted as they were seen.
/// </summary>
/// <param name="most">Differences kept as objects, 0 or more.</param>
/// <param name="resolve">Looks at suspects again.</param>
/// <param name="refused">Takes rows that cannot be items; null: there are none.</param>
/// <param name="batch">Suspects that are looked at together.</param>
internal sealed class Findings(int most, Func<IReadOnlyCollection<Suspect>, CancellationToken, Task<Resolution>> resolve, RefusedRows? refused, int batch) : ISuspects, IDisposable
{
    private readonly ConcurrentDictionary<string, Suspect> waiting = new(StringComparer.Ordinal);
    private readonly ConcurrentDictionary<string, (Examined Examined, SourcePosition Position)> confirmed = new(StringComparer.Ordinal);
    private readonly ConcurrentDictionary<(int Entity, DifferenceKind Kind), long> more = new();
    private readonly SemaphoreSlim one = new(1);
    private readonly List<Suspect> left = [];
    private bool standsStill;

    /// <summary>Differences that are kept, in the order of their keys.</summary>
    public IReadOnlyList<(Examined Examined, SourcePosition Position)> Confirmed =>
        [.. confirmed.Values.OrderBy(c => c.Examined.Suspect.Entity).ThenBy(c => c.Examined.Suspect.KeyText, StringComparer.Ordinal).Take(most)];

    /// <summary>Suspects that were neither confirmed nor found equal.</summary>
    public long Undecided { get; private set; }

    /// <summary>Those that are <see cref="Undecided"/>; null: there are more than are looked at together, or some have failed.</summary>
    public IReadOnlyCollection<Suspect>? Left => HasFailed || !confirmed.IsEmpty || left.Count < Undecided ? null : left;

    /// <summary>Why <see cref="Undecided"/> is not 0.</summary>
    public string? Reason { get; private set; }

    /// <summary>Every difference, by entity (-1: none of the definition's) and kind, those that are not kept and rows that cannot be items included.</summary>
    public IReadOnlyDictionary<(int Entity, DifferenceKind Kind), long> Counts
    {
        get
        {
            var counts = confirmed.Values.GroupBy(c => (c.Examined.Suspect.Entity, c.Examined.Kind)).ToDictionary(g => g.Key, g => g.LongCount());
            void Count(int entity, DifferenceKind kind, long number) => counts[(entity, kind)] = counts.GetValueOrDefault((entity, kind)) + number;
            foreach (var ((entity, kind), number) in more)
            {
                Count(entity, kind, number);
            }

            for (var entity = 0; entity < refused?.MissingOf.Count; entity++)
            {
                Count(entity, DifferenceKind.Missing, refused.MissingOf[entity]);
            }

            return counts;
        }
    }

    public RefusedRows? Refused => refused;

    /// <summary>For progress.</summary>
    public long Count => waiting.Count + confirmed.Count + more.Values.Sum();

    private bool HasFailed => confirmed.Count >= Math.Max(most, 1);

    public void Add(Suspect suspect)
    {
        if (confirmed.ContainsKey(suspect.KeyText))
        {
            return;
        }

        if (HasFailed)
        {
            CountMore(suspect.Entity, suspect.Kind);
        }
        else
        {
            waiting.TryAdd(suspect.KeyText, suspect);
        }
    }

    public void AddRefused(int entity, RowBuffer row) => refused?.Add(entity, row);

    public async ValueTask SettleAsync(CancellationToken cancellationToken)
    {
        await (refused?.SettleAsync(cancellationToken) ?? ValueTask.CompletedTask);
        if (waiting.Count >= batch)
        {
            await SettleAllAsync(resolve, batch, cancellationToken);
        }
    }

    /// <summary>Looks at all that is left.</summary>
    /// <param name="last">In place of the way that the others were looked at.</param>
    public Task SettleAllAsync(Func<IReadOnlyCollection<Suspect>, CancellationToken, Task<Resolution>> last, CancellationToken cancellationToken) => SettleAllAsync(last, 1, cancellationToken);

    /// <summary>Looks at some as all were looked at that came before the last.</summary>
    internal Task<Resolution> ResolveAsync(IReadOnlyCollection<Suspect> part, CancellationToken cancellationToken) => resolve(part, cancellationToken);

    public void Dispose() => one.Dispose();

    private async Task SettleAllAsync(Func<IReadOnlyCollection<Suspect>, CancellationToken, Task<Resolution>> examine, int least, CancellationToken cancellationToken)
    {
        await one.WaitAsync(cancellationToken);
        try
        {
            while (waiting.Count >= least)
            {
                var part = waiting.Values.OrderBy(s => s.Entity).ThenBy(s => s.KeyText, StringComparer.Ordinal).Take(batch).ToArray();
                await SettleAsync(part, examine, cancellationToken);
                foreach (var suspect in part)
                {
                    waiting.TryRemove(suspect.KeyText, out _);
                }
            }
        }
        finally
        {
            one.Release();
        }
    }

    private async Task SettleAsync(Suspect[] part, Func<IReadOnlyCollection<Suspect>, CancellationToken, Task<Resolution>> examine, CancellationToken cancellationToken)
    {
        if (HasFailed)
        {
            foreach (var suspect in part)
            {
                CountMore(suspect.Entity, suspect.Kind);
            }

            return;
        }

        if (standsStill)
        {
            Leave(part);
            return;
        }

        var resolution = await examine(part, cancellationToken);
        foreach (var (examined, position) in resolution.Confirmed)
        {
            if (refused is not null && examined is { Actual: null, Suspect: { Entity: >= 0 } suspect } && await refused.TakeRejectedAsync(suspect.Entity, suspect.KeyText, cancellationToken))
            {
                continue;
            }

            if (HasFailed && !confirmed.ContainsKey(examined.Suspect.KeyText))
            {
                CountMore(examined.Suspect.Entity, examined.Kind);
            }
            else
            {
                confirmed[examined.Suspect.KeyText] = (examined, position);
            }
        }

        Leave(resolution.Undecided);
        Reason ??= resolution.Reason;
        standsStill = resolution.StandsStill;
    }

    private void Leave(IReadOnlyCollection<Suspect> undecided)
    {
        Undecided += undecided.Count;
        left.AddRange(undecided.Take(batch - left.Count));
    }

    private void CountMore(int entity, DifferenceKind kind) => more.AddOrUpdate((entity, kind), 1, (_, count) => count + 1);
}
