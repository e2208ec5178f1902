using System.Collections.Immutable;
using System.IO.Compression;
using System.Text;
using System.Text.Json;
using BillingMigration.Control;
using BillingMigration.Source;

namespace BillingMigration.Integrity;

/// <summary>A full comparison and how far it has come; kept in the control table, another machine goes on with it.</summary>
internal sealed record ComparisonState
{
    private const int Format = 1;

    /// <summary>Position before the first row was read, by the run that began.</summary>
    public required SourcePosition From { get; init; }

    public required DateTimeOffset StartedAt { get; init; }

    public required ImmutableArray<(int Entity, SnapshotRange Range)> Ranges { get; init; }

    public required int Segments { get; init; }

    public required DigestLedger Ledger { get; init; }

    public bool IsRead => Ledger.Ranges.Count == Ranges.Length && Ledger.Segments.Count == Segments;

    public IEnumerable<(int Entity, SnapshotRange Range)> RangesLeft => Ranges.Where(r => !Ledger.Ranges.Contains((r.Entity, r.Range.Number))).ToArray();

    public IEnumerable<int> SegmentsLeft => Enumerable.Range(0, Segments).Where(s => !Ledger.Segments.Contains(s)).ToArray();

    /// <summary>What a comparison must have been begun with to be gone on with.</summary>
    public static string ScopeOf(IntegrityContext context) =>
        $"{context.Model.Digest} {string.Join(',', context.Chosen)}{(context.Models.FirstOrDefault()?.Cipher is { } cipher ? $" key {cipher.Number}" : "")}";

    public byte[] Save(IntegrityContext context)
    {
        using var bytes = new MemoryStream();
        using (var packed = new BrotliStream(bytes, CompressionLevel.Fastest, leaveOpen: true))
        using (var writer = new BinaryWriter(packed, Encoding.UTF8))
        {
            writer.Write(Format);
            writer.Write(ScopeOf(context));
            writer.Write(JsonSerializer.Serialize(From));
            writer.Write(StartedAt.UtcTicks);
            writer.Write(Segments);
            writer.Write(Ranges.Length);
            foreach (var (entity, range) in Ranges)
            {
                writer.Write(entity);
                writer.Write(range.Number);
                Write(writer, range.From);
                Write(writer, range.To);
            }

            lock (Ledger.Gate)
            {
                Ledger.Save(writer);
            }
        }

        return bytes.ToArray();
    }

    /// <returns>Null when it is another comparison than the one asked for.</returns>
    public static ComparisonState? Load(byte[] bytes, IntegrityContext context)
    {
        try
        {
            using var reader = new BinaryReader(new BrotliStream(new MemoryStream(bytes), CompressionMode.Decompress), Encoding.UTF8);
            if (reader.ReadInt32() != Format || reader.ReadString() != ScopeOf(context))
            {
                return null;
            }

            var from = JsonSerializer.Deserialize<SourcePosition>(reader.ReadString());
            var startedAt = new DateTimeOffset(reader.ReadInt64(), TimeSpan.Zero);
            var segments = reader.ReadInt32();
            var ranges = ImmutableArray.CreateBuilder<(int, SnapshotRange)>();
            for (var left = reader.ReadInt32(); left > 0; left--)
            {
                var entity = reader.ReadInt32();
                var number = reader.ReadInt32();
                ranges.Add((entity, new SnapshotRange { Entity = context.Models[entity].Entity, Number = number, From = ReadBound(reader), To = ReadBound(reader) }));
            }

            return new ComparisonState { From = from!, StartedAt = startedAt, Segments = segments, Ranges = ranges.ToImmutable(), Ledger = DigestLedger.Load(reader) };
        }
        catch (Exception e) when (e is InvalidDataException or EndOfStreamException or InvalidOperationException or JsonException)
        {
            throw new MigrationException(
                "ComparisonUnreadable", MigrationErrorKind.WrongState,
                "What the control table has kept of an unfinished comparison cannot be read: it was changed by hand or written by another version. Run Test-MigrationIntegrity -Restart.", null, e);
        }
    }

    private static void Write(BinaryWriter writer, ImmutableArray<string>? bound)
    {
        writer.Write(bound is { } key ? key.Length : -1);
        foreach (var text in bound ?? [])
        {
            writer.Write(text);
        }
    }

    private static ImmutableArray<string>? ReadBound(BinaryReader reader)
    {
        var length = reader.ReadInt32();
        return length < 0 ? null : [.. Enumerable.Range(0, length).Select(_ => reader.ReadString())];
    }
}
