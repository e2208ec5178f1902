using System.Buffers.Binary;
using System.IO.Hashing;
using BillingMigration.Model;
using BillingMigration.Target;

namespace BillingMigration.Sync;

/// <summary>
/// Finds rows in the billing table whose parent is not there, and does to them what its delete did. While a snapshot is ahead of the stream, a parent that went by
/// a cascade may be missing before its children are looked for; when the stream has passed the snapshot's end, they are what refers to nothing.
/// </summary>
internal sealed class OrphanCheck(BillingModel model, CascadePlan plan, ItemReader items, bool setAside)
{
    private const int ScanSegments = 4;

    /// <summary>Parents' keys held at a time, 24 bytes each; of more parents the table is read in several passes.</summary>
    private const int MostKeys = 4_000_000;

    private readonly CascadeLink[] deleting = [.. plan.Links.Select(l => l.Link).Where(l => l.OnDelete == CascadeAction.Delete)];

    private sealed class Reading(EntityModel entity)
    {
        public ItemDecoder Decoder { get; } = new(entity);

        public ItemEncoder Encoder { get; } = new(entity);

        public RowBuffer Row { get; } = new(entity.Row.Length);

        public int[] KeyColumns { get; } = BoundTable.KeyColumns(entity);
    }

    public async Task RunAsync(ICascadeWriter writer, CancellationToken cancellationToken)
    {
        // Only what is deleted by a cascade goes unseen.
        var links = plan.Links.Where(l => l.Link.OnDelete != CascadeAction.None && deleting.Any(d => d.Child == l.Parent)).ToArray();
        foreach (var (parent, link) in links)
        {
            link.EnsureFollowable(parent);
        }

        // Rows that go now may have children themselves.
        while (await PassAsync(links, writer, cancellationToken))
        {
        }
    }

    private async Task<bool> PassAsync((EntityModel Parent, CascadeLink Link)[] links, ICascadeWriter writer, CancellationToken cancellationToken)
    {
        var deleted = false;
        uint part = 0, parts = 1;
        while (part < parts)
        {
            if (await ParentsAsync(links, part, parts, cancellationToken) is { } parents)
            {
                deleted |= await ChildrenAsync(links, parents, part++, parts, writer, cancellationToken);
            }
            else
            {
                (part, parts) = (0, parts * 2);
            }
        }

        return deleted;
    }

    /// <summary>Keys of one part of the parents; null when they are too many.</summary>
    private async Task<HashSet<UInt128>?> ParentsAsync((EntityModel Parent, CascadeLink Link)[] links, uint part, uint parts, CancellationToken cancellationToken)
    {
        var found = new HashSet<UInt128>();
        await foreach (var (entity, reading) in RowsAsync([.. links.Select(l => l.Parent)], cancellationToken))
        {
            foreach (var (_, link) in links.Where(l => l.Parent == entity))
            {
                var key = Hash(link, reading.Row, link.ParentColumns.AsSpan());
                if (key % parts == part && found.Add(key) && found.Count > MostKeys)
                {
                    return null;
                }
            }
        }

        return found;
    }

    private async Task<bool> ChildrenAsync(
        (EntityModel Parent, CascadeLink Link)[] links, HashSet<UInt128> parents, uint part, uint parts, ICascadeWriter writer, CancellationToken cancellationToken)
    {
        var deleted = false;
        await foreach (var (entity, reading) in RowsAsync([.. links.Select(l => l.Link.Child)], cancellationToken))
        {
            var row = reading.Row;
            RowBuffer? before = null;
            var gone = false;
            foreach (var (_, link) in links.Where(l => l.Link.Child == entity))
            {
                if (gone || link.KeyColumns.Any(row.IsNull) || Hash(link, row, link.ChildColumns.AsSpan()) is var key && (key % parts != part || parents.Contains(key)))
                {
                    continue;
                }

                before ??= row.Copy();
                gone = !new CascadeTrigger(link, [], null).Apply(row);
            }

            if (before is null)
            {
                continue;
            }

            deleted |= gone;
            if (!gone)
            {
                ChangeReader.Put(writer.Window, reading.Encoder, row, setAside);
            }

            if (gone || BoundTable.Differ(before, row, reading.KeyColumns))
            {
                writer.Window.TryDelete(reading.Encoder, before, out _);
            }

            await writer.MakeRoomAsync(cancellationToken);
        }

        await writer.FlushAsync(cancellationToken);
        return deleted;
    }

    private async IAsyncEnumerable<(EntityModel Entity, Reading Reading)> RowsAsync(
        HashSet<EntityModel> entities, [System.Runtime.CompilerServices.EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var readings = entities.ToDictionary(e => e.Entity, e => (Entity: e, Reading: new Reading(e)));
        await foreach (var item in items.ScanAsync(ScanSegments, cancellationToken))
        {
            if (ChildFinder.EntityOf(item.Span) is { } name && readings.TryGetValue(name, out var known))
            {
                known.Reading.Decoder.Decode(item.Span, known.Reading.Row);
                yield return known;
            }
        }
    }

    private UInt128 Hash(CascadeLink link, RowBuffer row, ReadOnlySpan<int> columns)
    {
        var hash = new XxHash128();
        Span<byte> length = stackalloc byte[4];
        BinaryPrimitives.WriteInt32LittleEndian(length, model.Entities.IndexOf(link.Child));
        hash.Append(length);
        foreach (var column in link.KeyColumns)
        {
            BinaryPrimitives.WriteInt32LittleEndian(length, column);
            hash.Append(length);
        }

        foreach (var column in columns)
        {
            BinaryPrimitives.WriteInt32LittleEndian(length, row[column].Length);
            hash.Append(length);
            hash.Append(row[column]);
        }

        return hash.GetCurrentHashAsUInt128();
    }
}
