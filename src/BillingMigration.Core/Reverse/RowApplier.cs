using System.Collections.Immutable;
using System.Text;
using BillingMigration.Control;
using BillingMigration.Integrity;
using BillingMigration.Model;
using BillingMigration.Snapshot;
using BillingMigration.Source;
using MySqlConnector;

namespace BillingMigration.Reverse;

/// <summary>
/// Makes rows of the source what their items say now. It does not matter in which order, how often or how late keys are shown to it: each time, row and item are read, and the row is written only where they
/// differ. So nothing is ever set back, and a change that the source has already is not made again.
/// </summary>
internal sealed class RowApplier : IAsyncDisposable
{
    private readonly MigrationSession session;
    private readonly ImmutableArray<EntityModel> models;
    private readonly SourceLookup source;
    private readonly TargetSide target;
    private readonly RowWriter writer;
    private readonly ItemDecoder[] decoders;
    private readonly bool[] hasLookupInKey;
    private readonly bool keepRefused;
    private readonly Dictionary<string, SetAsideRow> setAside = new(StringComparer.Ordinal);
    private readonly List<SetAsideRow> refused = [];
    private readonly List<SetAsideRow> taken = [];

    /// <param name="known">Rows set aside before.</param>
    /// <param name="keepRefused">Keep rows back that the source does not take, instead of failing.</param>
    public RowApplier(MigrationSession session, BillingModel model, Lease lease, IEnumerable<SetAsideRow> known, bool keepRefused)
    {
        this.session = session;
        models = model.Entities;
        source = new SourceLookup(session, models);
        target = new TargetSide(session, models, null);
        writer = new RowWriter(session, lease);
        decoders = [.. models.Select(m => new ItemDecoder(m))];
        hasLookupInKey = [.. models.Select(m => m.Definition.PartitionKey.Columns.Concat(m.Definition.SortKey.Columns).Any(c => c.Lookup is not null))];
        this.keepRefused = keepRefused;
        foreach (var row in known)
        {
            setAside[Name(row.Entity, row.Key)] = row;
        }
    }

    /// <summary>Rows written.</summary>
    public long Rows { get; private set; }

    /// <summary>What was set aside, and what of it has been taken since the last time this was asked.</summary>
    public (IReadOnlyList<SetAsideRow> SetAside, IReadOnlyList<SetAsideRow> Taken) TakeNews()
    {
        (IReadOnlyList<SetAsideRow>, IReadOnlyList<SetAsideRow>) news = ([.. refused.DistinctBy(r => Name(r.Entity, r.Key)).Where(r => setAside.ContainsKey(Name(r.Entity, r.Key)))], [.. taken]);
        refused.Clear();
        taken.Clear();
        return news;
    }

    /// <param name="suspects">Keys that something was written to.</param>
    /// <param name="isSettled">True when what was written before has been shown: then a row whose item is nowhere is gone.</param>
    /// <returns>Keys to be shown again when it is settled.</returns>
    /// <exception cref="MigrationException">The source refuses a row, or cannot be written.</exception>
    public async Task<IReadOnlyList<Suspect>> ApplyAsync(IReadOnlyCollection<Suspect> suspects, bool isSettled, CancellationToken cancellationToken)
    {
        var retry = new SourceRetry(session.Source, session.Retry.GiveUpAfter, session.Time);
        while (true)
        {
            var plan = await PlanAsync(suspects, isSettled, cancellationToken);
            try
            {
                await WriteAsync(plan.Writes, cancellationToken);
                foreach (var one in plan.Seen)
                {
                    Accepted(one);
                }

                return plan.Later;
            }
            catch (Exception e) when (!cancellationToken.IsCancellationRequested && SourceErrors.IsTransient(e))
            {
                // Whether it was written, reading again tells.
                await retry.WaitAsync(e, cancellationToken);
            }
        }
    }

    public async ValueTask DisposeAsync()
    {
        target.Dispose();
        await writer.DisposeAsync();
        await source.DisposeAsync();
    }

    /// <param name="Seen">Entity and key of the rows that are in order, or will be when the writes are made.</param>
    private sealed record Plan(IReadOnlyList<RowWrite> Writes, IReadOnlyList<Suspect> Later, IReadOnlyList<(string Entity, string Key)> Seen);

    private static string Name(string entity, string key) => entity + "\t" + key;

    private async Task<Plan> PlanAsync(IReadOnlyCollection<Suspect> suspects, bool isSettled, CancellationToken cancellationToken)
    {
        var known = suspects.Where(s => s.Entity >= 0 && s.Row is not null).ToArray();
        var items = await ItemsAsync(known.Select(s => s.Key), cancellationToken);
        var writes = new Dictionary<string, RowWrite>(StringComparer.Ordinal);
        var later = new List<Suspect>();
        var elsewhere = new List<(Suspect Suspect, FoundRow Row)>();
        var seen = new List<(string, string)>();
        foreach (var group in known.GroupBy(s => s.Entity))
        {
            var model = models[group.Key];
            var rows = await source.ReadAsync(group.Key, [.. group.Select(s => s.Row!).DistinctBy(model.Describe)], cancellationToken);
            foreach (var suspect in group)
            {
                var key = model.Describe(suspect.Row!);
                var row = rows.GetValueOrDefault(key);
                var name = Name(model.Entity, key);
                if (items.TryGetValue(suspect.KeyText, out var item))
                {
                    // The row is here: what another of its former keys says counts no more.
                    writes[name] = new RowWrite(model, row?.Row, Decode(group.Key, item));
                    seen.Add((model.Entity, key));
                }
                else if (row is not null && (row.KeyText is null || row.KeyText == suspect.KeyText))
                {
                    writes.TryAdd(name, new RowWrite(model, row.Row, null));
                    seen.Add((model.Entity, key));
                }
                else if (row is not null && hasLookupInKey[group.Key])
                {
                    elsewhere.Add((suspect, row));
                }
                else if (row is null)
                {
                    seen.Add((model.Entity, key));
                }
            }
        }

        await LookElsewhereAsync(elsewhere, writes, later, isSettled, cancellationToken);
        return new Plan([.. writes.Values], later, seen);
    }

    /// <summary>
    /// The item is gone, and the row's own key is another one, which depends on rows that may be written later: it has moved there, or is gone with its item.
    /// </summary>
    private async Task LookElsewhereAsync(
        List<(Suspect Suspect, FoundRow Row)> rows, Dictionary<string, RowWrite> writes, List<Suspect> later, bool isSettled, CancellationToken cancellationToken)
    {
        if (!isSettled || rows.Count == 0)
        {
            later.AddRange(rows.Select(r => r.Suspect));
            return;
        }

        var items = await ItemsAsync(rows.Select(r => Encoding.UTF8.GetBytes(r.Row.KeyText!)), cancellationToken);
        foreach (var (suspect, row) in rows.Where(r => !items.ContainsKey(r.Row.KeyText!)))
        {
            var model = models[suspect.Entity];
            writes.TryAdd(Name(model.Entity, model.Describe(row.Row)), new RowWrite(model, row.Row, null));
        }
    }

    private async Task<Dictionary<string, byte[]>> ItemsAsync(IEnumerable<byte[]> keys, CancellationToken cancellationToken)
    {
        var items = new Dictionary<string, byte[]>(StringComparer.Ordinal);
        await target.GetAsync(
            [.. keys.DistinctBy(Encoding.UTF8.GetString).Select(k => (ReadOnlyMemory<byte>)k)],
            (_, batch) => items[Encoding.UTF8.GetString(batch.Key(0).Span) + "}"] = batch.Item(0).ToArray(),
            cancellationToken);
        return items;
    }

    private RowBuffer Decode(int entity, byte[] item)
    {
        var row = new RowBuffer(models[entity].Row.Length);
        decoders[entity].Decode(item, row);
        return row;
    }

    private async Task WriteAsync(IReadOnlyList<RowWrite> writes, CancellationToken cancellationToken)
    {
        var needed = writes.Where(w => w.Statement is not null).ToArray();
        try
        {
            if (await writer.TryWriteAsync(needed, cancellationToken) is { } only)
            {
                await SettleAsync([only], cancellationToken);
                return;
            }

            Rows += needed.Length;
        }
        catch (MySqlException e) when (RowWriter.IsRefusal(e))
        {
            // One of them: each by itself. Rows that go first, because they may have what others want.
            var left = new List<RefusedWrite>();
            foreach (var write in needed.OrderBy(w => w.After is null ? 0 : w.Before is not null ? 1 : 2))
            {
                if (await writer.TryWriteAsync([write], cancellationToken) is { } one)
                {
                    left.Add(one);
                }
                else
                {
                    Rows++;
                }
            }

            await SettleAsync(left, cancellationToken);
        }
    }

    /// <summary>Rows that others stood in the way of are written with those others, which have other values by now; what is left is set aside.</summary>
    private async Task SettleAsync(IReadOnlyList<RefusedWrite> left, CancellationToken cancellationToken)
    {
        foreach (var one in left)
        {
            if (one.IsDuplicate && await TryExchangeAsync(one.Write, cancellationToken))
            {
                continue;
            }

            var row = new SetAsideRow(one.Write.Model.Entity, one.Write.Key, one.ReasonId, one.Reason);
            if (!keepRefused)
            {
                throw ReverseErrors.Refused(row);
            }

            setAside[Name(row.Entity, row.Key)] = row;
            refused.Add(row);
        }
    }

    /// <summary>Takes all rows that have unique values of the row, and those that have unique values of these, out of the source and puts them in again as their items say.</summary>
    private async Task<bool> TryExchangeAsync(RowWrite write, CancellationToken cancellationToken)
    {
        var model = write.Model;
        var entity = models.IndexOf(model);
        var all = new Dictionary<string, RowWrite>(StringComparer.Ordinal) { [write.Key] = write };
        for (var waiting = new Queue<RowBuffer>([write.After!]); waiting.TryDequeue(out var row);)
        {
            foreach (var other in await HoldersAsync(entity, row, cancellationToken))
            {
                var key = model.Describe(other.Row);
                if (all.ContainsKey(key))
                {
                    continue;
                }

                var items = other.KeyText is null ? [] : await ItemsAsync([Encoding.UTF8.GetBytes(other.KeyText)], cancellationToken);
                var after = other.KeyText is not null && items.TryGetValue(other.KeyText, out var item) ? Decode(entity, item) : null;
                all[key] = new RowWrite(model, other.Row, after);
                if (after is not null)
                {
                    waiting.Enqueue(after);
                }
            }
        }

        var writes = all.Values.Where(w => w.Before is not null).Select(w => w with { After = null })
            .Concat(all.Values.Where(w => w.After is not null).Select(w => w with { Before = null }))
            .ToArray();
        try
        {
            var done = await writer.TryWriteAsync(writes, cancellationToken) is null;
            Rows += done ? all.Count : 0;
            return done;
        }
        catch (MySqlException e) when (RowWriter.IsRefusal(e))
        {
            return false;
        }
    }

    private async Task<IReadOnlyCollection<FoundRow>> HoldersAsync(int entity, RowBuffer row, CancellationToken cancellationToken)
    {
        var model = models[entity];
        var found = new List<FoundRow>();
        foreach (var key in model.Table.UniqueKeys)
        {
            int[] columns = [.. key.Columns.Select(name => IndexOf(model, name))];
            if (columns.All(c => c >= 0 && !row.IsNull(c)))
            {
                found.AddRange((await source.ReadAsync(entity, columns, [.. columns.Select(c => row[c].ToArray())], 2, cancellationToken)).Values);
            }
        }

        return found;
    }

    private static int IndexOf(EntityModel model, string column)
    {
        for (var i = 0; i < model.Row.Length; i++)
        {
            if (model.Row[i].Lookup is null && string.Equals(model.Row[i].Column.Name, column, StringComparison.OrdinalIgnoreCase))
            {
                return i;
            }
        }

        return -1;
    }

    private void Accepted((string Entity, string Key) row)
    {
        if (refused.Any(r => r.Entity == row.Entity && r.Key == row.Key))
        {
            return;
        }

        if (setAside.Remove(Name(row.Entity, row.Key), out var known))
        {
            taken.Add(known);
        }
    }
}
