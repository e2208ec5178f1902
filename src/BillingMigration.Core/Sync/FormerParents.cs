using System.Collections.Immutable;
using System.Text;
using BillingMigration.Model;
using BillingMigration.Source;
using BillingMigration.Source.Changes;

namespace BillingMigration.Sync;

/// <summary>
/// Rows as they were, whose children may still be in the table: an index did not show them yet, or the stream brings them later, while the row itself was read again and is ahead of it.
/// They are looked for once more when the stream has come to where the rows were read. Thread-safe.
/// </summary>
internal sealed class FormerParents(BillingModel model, TimeProvider time)
{
    /// <summary>An index of DynamoDB follows its table mostly far under a second; it has no bound.</summary>
    private static readonly TimeSpan IndexDelay = TimeSpan.FromSeconds(1);

    private const int MostKept = 100_000;
    private const int MostSaved = 1_000;
    private const int MostSavedCharacters = 100_000;
    private const char Between = '\t';

    private readonly object guard = new();
    private readonly Dictionary<string, Entry> rows = [];
    private readonly Dictionary<(ParentLink, string), HashSet<string>> byParent = [];
    private readonly Queue<Generation> waiting = new();
    private HashSet<string> young = [];

    /// <param name="With">Those that wait with it.</param>
    private sealed record Entry(ParentChange Row, HashSet<string> With);

    /// <param name="Until">The stream must have come here.</param>
    private sealed record Generation(HashSet<string> Rows, SourcePosition Until, long At);

    public bool Any
    {
        get
        {
            lock (guard)
            {
                return rows.Count > 0;
            }
        }
    }

    /// <summary>True when no more can be remembered: the entities below are to be compared instead.</summary>
    public bool IsFull
    {
        get
        {
            lock (guard)
            {
                return rows.Count >= MostKept;
            }
        }
    }

    /// <param name="shown">What an index showed of its children; null: they are read again whatever it shows.</param>
    /// <returns>True when it was not known.</returns>
    public bool Add(EntityModel parent, RowBuffer identity, ShownChildren? shown = null)
    {
        var text = Write(parent, identity);
        lock (guard)
        {
            if (rows.TryGetValue(text, out var known))
            {
                // A while after its last change.
                known.With.Remove(text);
                young.Add(text);
                rows[text] = new Entry(known.Row with { Shown = known.Row.Shown is null ? null : shown }, young);
                return false;
            }

            rows.Add(text, new Entry(new ParentChange(parent, identity, null, true, Again: true, shown), young));

            foreach (var parentOf in ParentsOf(parent, identity))
            {
                (byParent.TryGetValue(parentOf, out var children) ? children : byParent[parentOf] = []).Add(text);
            }

            young.Add(text);
            return true;
        }
    }

    /// <summary>Rows that are known here and that a change reaches, over other such rows too: their children are looked for now.</summary>
    public IReadOnlyList<ParentChange> ReachedBy(IEnumerable<ParentChange> changes)
    {
        var reached = new List<ParentChange>();
        var open = new Queue<ParentChange>(changes);
        while (open.TryDequeue(out var change))
        {
            foreach (var link in model.Links.OfParent(change.Parent).Where(l => change.Reaches(l) && model.Links.HasChildren(l.Child)))
            {
                ParentChange[] children;
                lock (guard)
                {
                    children = byParent.TryGetValue((link, ParentLink.KeyOf(change.Before, link.ParentColumns)), out var known) ? [.. known.Select(r => rows[r].Row with { Shown = null })] : [];
                }

                foreach (var child in children.Where(c => !reached.Contains(c)))
                {
                    reached.Add(child);
                    open.Enqueue(child);
                    if (change.After is { } after)
                    {
                        // It took its parent's values along: its own children know it by these.
                        var moved = child.Before.Copy();
                        link.Hand(after, moved);
                        Add(child.Parent, moved);
                    }
                }
            }
        }

        return reached;
    }

    /// <summary>All that were added since the last time wait for the stream to come to a position.</summary>
    public void WaitFor(SourcePosition position)
    {
        lock (guard)
        {
            if (young.Count > 0)
            {
                waiting.Enqueue(new Generation(young, position, time.GetTimestamp()));
                young = [];
            }
        }
    }

    /// <summary>The source is another server: all wait for it to come to a position of its own.</summary>
    public void MoveTo(SourcePosition position)
    {
        lock (guard)
        {
            waiting.Clear();
            young = [.. rows.Keys];
            foreach (var row in young)
            {
                rows[row] = new Entry(rows[row].Row with { Shown = null }, young);
            }

            WaitFor(position);
        }
    }

    /// <summary>Those whose time has come; null: none. <see cref="Forget"/> follows.</summary>
    public IReadOnlyList<ParentChange>? Due(StreamPoint applied)
    {
        lock (guard)
        {
            return waiting.TryPeek(out var first) && applied.HasReached(first.Until) && time.GetElapsedTime(first.At) >= IndexDelay
                ? [.. first.Rows.Select(r => rows[r].Row)]
                : null;
        }
    }

    /// <summary>Those that were due are looked after.</summary>
    public void Forget()
    {
        lock (guard)
        {
            foreach (var row in waiting.Dequeue().Rows)
            {
                rows.Remove(row, out var gone);
                foreach (var parentOf in ParentsOf(gone!.Row.Parent, gone.Row.Before))
                {
                    if (byParent[parentOf].Remove(row) && byParent[parentOf].Count == 0)
                    {
                        byParent.Remove(parentOf);
                    }
                }
            }
        }
    }

    /// <summary>As a checkpoint keeps them; null: they are too many.</summary>
    public ImmutableArray<string>? Save()
    {
        lock (guard)
        {
            return rows.Count <= MostSaved && rows.Keys.Sum(r => r.Length) <= MostSavedCharacters ? [.. rows.Keys] : null;
        }
    }

    /// <summary>Entities that may have children of them.</summary>
    public IEnumerable<EntityModel> Below()
    {
        lock (guard)
        {
            return [.. rows.Values.Select(r => r.Row.Parent).Distinct().SelectMany(model.Links.Below)];
        }
    }

    public void Load(IEnumerable<string> saved, SourcePosition until)
    {
        foreach (var text in saved)
        {
            var parts = text.Split(Between);
            if (model.All.FirstOrDefault(m => NameOf(m) == parts[0]) is { } parent && Read(parent, parts[1..]) is { } identity)
            {
                Add(parent, identity);
            }
        }

        WaitFor(until);
    }

    private IEnumerable<(ParentLink, string)> ParentsOf(EntityModel child, RowBuffer identity) =>
        model.Links.OfChild(child).Where(l => !ParentLink.HasNull(identity, l.ChildColumns)).Select(l => (l, ParentLink.KeyOf(identity, l.ChildColumns)));

    private static string NameOf(EntityModel parent) => $"{parent.Table.Database}.{parent.Table.Name}";

    private string Write(EntityModel parent, RowBuffer identity)
    {
        var text = new StringBuilder(NameOf(parent));
        foreach (var column in model.Links.IdentityColumns(parent))
        {
            text.Append(Between).Append(identity.IsNull(column) ? "-" : Convert.ToHexString(identity[column]));
        }

        return text.ToString();
    }

    private RowBuffer? Read(EntityModel parent, string[] values)
    {
        int[] columns = [.. model.Links.IdentityColumns(parent)];
        if (columns.Length != values.Length)
        {
            return null;
        }

        var row = RowBuffer.AllNull(parent.Row.Length);
        for (var i = 0; i < columns.Length; i++)
        {
            if (values[i] != "-")
            {
                row.Set(columns[i], Convert.FromHexString(values[i]));
            }
        }

        return row.Copy();
    }
}
