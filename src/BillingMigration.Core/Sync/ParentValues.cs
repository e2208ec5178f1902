using System.Collections.Concurrent;
using System.Collections.Immutable;
using BillingMigration.Integrity;
using BillingMigration.Model;
using BillingMigration.Source.Binlog;

namespace BillingMigration.Sync;

/// <summary>
/// Looked-up values of parents: what the stream said of them last, else what the source has now. The source may be ahead of the stream; each change in between comes by and has the
/// children read again. Not thread-safe, but for <see cref="Learn"/>.
/// </summary>
internal sealed class ParentValues(BillingModel model, SourceLookup source)
{
    private const int MostKnown = 500_000;

    /// <summary>Values by link and parent; default: there is no such row.</summary>
    private readonly Dictionary<(ParentLink, string), ImmutableArray<byte[]?>> known = [];
    private readonly Dictionary<EntityModel, ParentLink[]> ofChild = model.All.ToDictionary(m => m, m => model.Links.LookupsOf(m).ToArray());
    private readonly Dictionary<EntityModel, ParentLink[]> ofParent = model.All.ToDictionary(m => m, m => model.Links.OfParent(m).Where(l => l.IsLookup).ToArray());
    private readonly HashSet<EntityModel> withKey = [.. model.Entities.Where(HasLookupInKey)];
    private readonly List<(ParentLink Link, string Key, RowBuffer Child)> open = [];
    private readonly ConcurrentQueue<(int Age, ParentLink Link, string Key, ImmutableArray<byte[]?> Values)> learned = new();
    private volatile int age;

    /// <summary>Grows when values are forgotten.</summary>
    public int Age => age;

    /// <summary>True when no key of the entity's items is made with a lookup.</summary>
    public bool HasNone(EntityModel child) => ofChild[child].Length == 0;

    /// <summary>True when the table's own key of the entity's items is made with a lookup: then no item can be found without it.</summary>
    public bool GiveKey(EntityModel child) => withKey.Contains(child);

    /// <summary>Fills in the looked-up values of a row.</summary>
    /// <returns>Null when a parent is not known; false when a parent that it refers to is not there.</returns>
    public bool? Fill(EntityModel child, RowBuffer row)
    {
        TakeLearned();
        bool? complete = true;
        open.Clear();
        foreach (var link in ofChild[child])
        {
            if (ParentLink.HasNull(row, link.ChildColumns))
            {
                Fill(link, row, default);
                continue;
            }

            var key = ParentLink.KeyOf(row, link.ChildColumns);
            if (!known.TryGetValue((link, key), out var values))
            {
                open.Add((link, key, row));
                Fill(link, row, default);
                complete = null;
                continue;
            }

            Fill(link, row, values);
            complete = complete is not null && values.IsDefault ? false : complete;
        }

        return complete;
    }

    /// <summary>Asks the source for the parents that <see cref="Fill(EntityModel, RowBuffer)"/> did not know.</summary>
    public async Task AskAsync(CancellationToken cancellationToken)
    {
        Shrink();
        foreach (var (link, key, child) in open)
        {
            var parents = await source.ReadAsync(model.All.IndexOf(link.Parent), [.. link.ParentColumns], [.. link.ChildColumns.Select(c => child[c].ToArray())], 1, cancellationToken);
            known[(link, key)] = parents.Values.FirstOrDefault() is { } found ? ValuesOf(link, found.Row) : default;
        }
    }

    /// <summary>Takes the looked-up values of a row that was read from the source, where nothing is known better. Thread-safe.</summary>
    /// <param name="since"><see cref="Age"/> before it was read: what the stream said since then must not have been forgotten.</param>
    public void Learn(EntityModel child, RowBuffer row, int since)
    {
        foreach (var link in ofChild[child].Where(link => !ParentLink.HasNull(row, link.ChildColumns)))
        {
            // All NULL may be that there is no such parent.
            ImmutableArray<byte[]?> values = [.. link.Targets.Select(t => row.IsNull(t) ? null : row[t].ToArray())];
            if (values.Any(v => v is not null))
            {
                learned.Enqueue((since, link, ParentLink.KeyOf(row, link.ChildColumns), values));
            }
        }
    }

    /// <summary>Takes what the stream says of a parent.</summary>
    public void Pass(RowChange change)
    {
        foreach (var link in ofParent[change.Model])
        {
            if (change.Kind != RowsKind.Insert && !ParentLink.HasNull(change.Before, link.ParentColumns) && (change.Kind == RowsKind.Delete || change.Before.Differs(change.After, link.ParentColumns)))
            {
                known[(link, ParentLink.KeyOf(change.Before, link.ParentColumns))] = default;
            }

            if (change.Kind != RowsKind.Delete && !ParentLink.HasNull(change.After, link.ParentColumns))
            {
                Shrink();
                known[(link, ParentLink.KeyOf(change.After, link.ParentColumns))] = ValuesOf(link, change.After);
            }
        }
    }

    private static bool HasLookupInKey(EntityModel model) =>
        model.Keys[0].PartitionKey.Concat(model.Keys[0].SortKey).SelectMany(t => t.Template.Columns).Any(c => c.Lookup is not null);

    private void TakeLearned()
    {
        while (learned.TryDequeue(out var one))
        {
            if (one.Age == age && known.Count < MostKnown)
            {
                known.TryAdd((one.Link, one.Key), one.Values);
            }
        }
    }

    /// <summary>Nothing is known any more: parents were changed that the stream does not show. Each is asked for again.</summary>
    public void Forget()
    {
        known.Clear();
        age++;
    }

    private void Shrink()
    {
        if (known.Count >= MostKnown)
        {
            Forget();
        }
    }

    private static void Fill(ParentLink link, RowBuffer child, ImmutableArray<byte[]?> values)
    {
        for (var i = 0; i < link.Targets.Length; i++)
        {
            if (values.IsDefault || values[i] is not { } value)
            {
                child.SetNull(link.Targets[i]);
            }
            else
            {
                child.Set(link.Targets[i], value);
            }
        }
    }

    private static ImmutableArray<byte[]?> ValuesOf(ParentLink link, RowBuffer parent) => [.. link.Sources.Select(s => parent.IsNull(s) ? null : parent[s].ToArray())];
}
