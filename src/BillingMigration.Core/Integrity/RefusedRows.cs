using System.Collections.Concurrent;
using System.IO.Hashing;
using System.Text;
using BillingMigration.Control;
using BillingMigration.Model;

namespace BillingMigration.Integrity;

/// <summary>Rows that cannot be items: set aside by the export or the change stream, which is as it was chosen, or else missing.</summary>
/// <param name="most">Differences kept as objects.</param>
internal sealed class RefusedRows(MigrationSession session, IntegrityContext context, SourceLookup source, SyncWatch sync, int most) : IDisposable
{
    private const int Batch = 10_000;
    private const int MostForgotten = 100_000;

    private readonly ConcurrentDictionary<(int Entity, string Key), RowBuffer> rows = new();
    private readonly List<ItemDifference> missing = [];
    private readonly long[] accepted = new long[context.Models.Length];
    private readonly long[] missingOf = new long[context.Models.Length];
    private readonly SemaphoreSlim one = new(1);
    private readonly HashSet<UInt128> refused = [];
    private HashSet<UInt128>? setAside;
    private List<(UInt128 Row, SetAsideMark Mark)>? before;

    /// <summary>Rows by entity that are known to be set aside.</summary>
    public IReadOnlyList<long> Accepted => accepted;

    /// <summary>Rows that were not set aside: each is a difference, though it has no key in the table.</summary>
    public IReadOnlyList<ItemDifference> Missing => missing;

    /// <summary>The same, those that are not kept included.</summary>
    public IReadOnlyList<long> MissingOf => missingOf;

    /// <summary>Rows that were not set aside, while the change stream stands still.</summary>
    public long Undecided { get; private set; }

    public void Add(int entity, RowBuffer row)
    {
        var identity = RowIdentity.Of(context.Models[entity], row);
        rows.TryAdd((entity, context.Models[entity].Describe(identity)), identity);
    }

    /// <summary>A comparison of everything begins: what was set aside before, and is not met by it, is an item by now, or gone.</summary>
    public async Task BeginAsync(CancellationToken cancellationToken)
    {
        var all = new List<(UInt128, SetAsideMark)>();
        await foreach (var (row, mark) in session.Control.MarkedSetAsideAsync(context.Run.RunId, cancellationToken))
        {
            if (context.Chosen.Any(e => context.Models[e].Entity == row.Entity))
            {
                all.Add((DigestOf(row), mark));
            }

            if (all.Count > MostForgotten)
            {
                return;
            }
        }

        before = all;
    }

    /// <summary>The comparison has passed.</summary>
    public async Task EndAsync(CancellationToken cancellationToken)
    {
        foreach (var (_, mark) in (before ?? []).Where(b => !refused.Contains(b.Row)))
        {
            await session.Control.ForgetSetAsideAsync(mark, cancellationToken);
        }
    }

    public async ValueTask SettleAsync(CancellationToken cancellationToken)
    {
        if (rows.Count >= Batch)
        {
            await LookUpAsync(cancellationToken);
        }
    }

    /// <summary>Compares with what was set aside.</summary>
    public async Task LookUpAsync(CancellationToken cancellationToken)
    {
        await one.WaitAsync(cancellationToken);
        try
        {
            while (!rows.IsEmpty)
            {
                var part = rows.Take(Batch).ToArray();
                foreach (var group in part.GroupBy(r => r.Key.Entity))
                {
                    var unknown = await SortAsync(group.Key, [.. group.Select(r => r.Value)], cancellationToken);
                    // The change stream may be about to set it aside.
                    if (unknown.Count > 0 && !await sync.WaitWrittenAsync(await source.PositionAsync(cancellationToken), cancellationToken))
                    {
                        Undecided += unknown.Count;
                    }
                    else if (unknown.Count > 0)
                    {
                        setAside = null;
                        foreach (var row in await SortAsync(group.Key, [.. unknown.Select(r => r.Row)], cancellationToken))
                        {
                            AddMissing(group.Key, row);
                        }
                    }
                }

                foreach (var (key, _) in part)
                {
                    rows.TryRemove(key, out _);
                }
            }
        }
        finally
        {
            one.Release();
        }
    }

    /// <summary>True for a row that DynamoDB refused and that was set aside for it; it is counted so.</summary>
    /// <param name="key">Its item's key as JSON.</param>
    public async Task<bool> TakeRejectedAsync(int entity, string key, CancellationToken cancellationToken)
    {
        await one.WaitAsync(cancellationToken);
        try
        {
            if (!(await SetAsideAsync(cancellationToken)).Contains(Digest(SetAsideRow.RejectedByTable, key)))
            {
                return false;
            }

            refused.Add(Digest(SetAsideRow.RejectedByTable, key));
            accepted[entity]++;
            return true;
        }
        finally
        {
            one.Release();
        }
    }

    public void Dispose() => one.Dispose();

    /// <summary>Counts those that are set aside.</summary>
    /// <returns>Those that can be no items either, and are not.</returns>
    private async Task<List<FoundRow>> SortAsync(int entity, IReadOnlyCollection<RowBuffer> keys, CancellationToken cancellationToken)
    {
        var left = new List<FoundRow>();
        foreach (var (key, row) in (await source.ReadAsync(entity, keys, cancellationToken)).Where(r => r.Value.Item is null))
        {
            if ((await SetAsideAsync(cancellationToken)).Contains(Digest(context.Models[entity].Entity, key)))
            {
                refused.Add(Digest(context.Models[entity].Entity, key));
                accepted[entity]++;
            }
            else
            {
                left.Add(row);
            }
        }

        return left;
    }

    private void AddMissing(int entity, FoundRow row)
    {
        missingOf[entity]++;
        if (missing.Count < most)
        {
            missing.Add(new ItemDifference
            {
                Entity = context.Models[entity].Entity,
                Key = context.Models[entity].Describe(row.Row),
                Kind = DifferenceKind.Missing,
                PartitionKey = "",
                SortKey = "",
                Cause = $"The row cannot be an item: {row.Refusal.ReasonId}, {row.Refusal.Reason}.",
            });
        }
    }

    /// <summary>Sixteen bytes for each row that was set aside, however many there are.</summary>
    private async ValueTask<HashSet<UInt128>> SetAsideAsync(CancellationToken cancellationToken)
    {
        if (setAside is null)
        {
            var all = new HashSet<UInt128>();
            await foreach (var row in session.Control.SetAsideAsync(context.Run.RunId, cancellationToken))
            {
                all.Add(DigestOf(row));
            }

            setAside = all;
        }

        return setAside;
    }

    private static UInt128 DigestOf(SetAsideRow row) => Digest(row.ReasonId == SetAsideRow.RejectedByTable ? row.ReasonId : row.Entity, row.Key);

    internal static UInt128 Digest(string kind, string key) => XxHash128.HashToUInt128(Encoding.UTF8.GetBytes($"{kind}\n{key}"));
}
