using System.Collections.Immutable;
using System.Text;
using BillingMigration.Control;
using BillingMigration.Integrity;
using BillingMigration.Model;
using BillingMigration.Target;

namespace BillingMigration.Reverse;

/// <summary>
/// The way back under way: reads the table's stream, all shards at the same time and in any order, and has the rows looked at that it names.
/// </summary>
internal sealed class ReverseRun : IAsyncDisposable
{
    private const int ReadersAtOnce = 16;
    private const int RowsAtOnce = 1_000;

    /// <summary>A shard may be read five times a second.</summary>
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(200);

    private static readonly TimeSpan LookForShards = TimeSpan.FromSeconds(10);

    private static readonly TimeSpan Farewell = TimeSpan.FromSeconds(5);

    private readonly MigrationSession session;
    private readonly BillingModel model;
    private readonly Lease lease;
    private readonly TableStream stream;
    private readonly RowApplier applier;
    private readonly ItemCanonicalizer canonical;
    private readonly Dictionary<string, ShardReader> readers = new(StringComparer.Ordinal);
    private readonly List<Suspect> later = [];
    private readonly SemaphoreSlim saving = new(1);
    private readonly long started;
    private readonly ReverseCheckpoint first;
    private DateTimeOffset savedAt;
    private ImmutableSortedDictionary<string, string> applied;
    private long lookedAt;
    private long items;
    private TimeSpan? lag = TimeSpan.MaxValue;
    private DateTimeOffset oldestEnd;
    private bool isEnd;
    private volatile bool isCaughtUp;
    private DateTimeOffset upTo;
    private StreamMarks? marks;

    private ReverseRun(MigrationSession session, BillingModel model, Lease lease, TableStream stream, RowApplier applier, ReverseCheckpoint first)
    {
        (this.session, this.model, this.lease, this.stream, this.applier, this.first) = (session, model, lease, stream, applier, first);
        savedAt = first.SavedAt;
        upTo = first.UpTo;
        applied = first.Shards;
        ToCompare = first.ToCompare;
        canonical = new ItemCanonicalizer(model.Entities);
        started = lookedAt = session.Time.GetTimestamp();
        foreach (var (shard, place) in first.Shards)
        {
            readers[shard] = Reader(shard, place);
        }
    }

    public long Items => Interlocked.Read(ref items);

    public long Rows => applier.Rows;

    public bool IsCaughtUp => isCaughtUp;

    /// <summary>True when the stream alone does not tell all.</summary>
    public bool ToCompare { get; private set; }

    /// <summary>Begins the way back: what is written to the table from here on is to come to the source. Shards that are closed hold nothing of it.</summary>
    public static async Task<ReverseRun> BeginAsync(MigrationSession session, BillingModel model, Lease lease, bool setAside, bool toCompare, CancellationToken cancellationToken)
    {
        var since = session.Time.GetUtcNow();
        var stream = await TableStream.OpenAsync(session, cancellationToken);
        var shards = await stream.ListShardsAsync(cancellationToken);
        var first = new ReverseCheckpoint
        {
            StreamArn = stream.Arn,
            Since = since,
            Shards = shards.ToImmutableSortedDictionary(s => s.Id, s => s.Closed ? ReverseCheckpoint.Done : "", StringComparer.Ordinal),
            ToCompare = toCompare,
            UpTo = since,
            SavedAt = since,
        };
        var run = await OpenAsync(session, model, lease, stream, first, setAside, cancellationToken);
        await Parallel.ForEachAsync(
            run.readers.Values.Where(r => !r.IsDone), new ParallelOptions { MaxDegreeOfParallelism = ReadersAtOnce, CancellationToken = cancellationToken }, async (reader, token) => await reader.BeginAtEndAsync(token));
        await session.Control.SaveReverseAsync(lease, first, [], [], cancellationToken);
        return run;
    }

    /// <summary>Goes on from the checkpoint.</summary>
    /// <exception cref="MigrationException"><c>ReverseNotBegun</c>, <c>StreamTrimmed</c>, <c>StreamMissing</c>.</exception>
    public static async Task<ReverseRun> GoOnAsync(MigrationSession session, BillingModel model, Lease lease, bool setAside, CancellationToken cancellationToken)
    {
        var first = await session.Control.FindReverseAsync(cancellationToken) ?? throw ReverseErrors.NotBegun(session.Definition.Name);
        var stream = await TableStream.OpenAsync(session, cancellationToken);
        return stream.Arn == first.StreamArn
            ? await OpenAsync(session, model, lease, stream, first, setAside, cancellationToken)
            : throw ReverseErrors.StreamTrimmed(session.Definition.Target.Table, first.SavedAt);
    }

    /// <summary>Runs until all is written that was in the stream when <paramref name="end"/> was completed.</summary>
    /// <param name="end">Completed from the start: until caught up.</param>
    /// <param name="isQuiet">Nothing is written to the table any more when <paramref name="end"/> is completed: its last change must have come out of the stream. Else it goes by the times of its records.</param>
    public async Task RunAsync(Task end, bool isQuiet, CancellationToken cancellationToken)
    {
        DateTimeOffset? endsAt = null;
        while (true)
        {
            var isLast = end.IsCompleted;
            var began = session.Time.GetUtcNow();
            endsAt ??= isLast ? began : null;
            if (isLast && isQuiet)
            {
                marks ??= new StreamMarks(session, lease);
                await marks.WriteAsync(OpenShards, cancellationToken);
            }

            var found = await RoundAsync(isLast, cancellationToken);
            var toldUpTo = HasMoreShards ? DateTimeOffset.MinValue : found == 0 || isEnd || oldestEnd > began ? began : oldestEnd;
            isCaughtUp = (found == 0 && !HasMoreShards && (marks?.AreIn(OpenShards) ?? true)) || (!isQuiet && later.Count == 0 && toldUpTo >= (endsAt ?? began));
            upTo = later.Count == 0 && toldUpTo > upTo ? toldUpTo : upTo;
            if (isCaughtUp && isLast)
            {
                await SaveAsync(cancellationToken);
                return;
            }

            lag = found == 0 && !HasMoreShards ? null : session.Time.GetUtcNow() - upTo;
            if (found == 0)
            {
                var pause = Task.Delay(session.Target.IsEmulator && isLast ? Pause / 10 : Pause, session.Time, cancellationToken);
                await (isLast ? pause : Task.WhenAny(end, pause));
                cancellationToken.ThrowIfCancellationRequested();
            }
            else if (!(session.Target.IsEmulator && isQuiet) && session.Time.GetUtcNow() - began is var took && took < Pause)
            {
                await Task.Delay(Pause - took, session.Time, cancellationToken);
            }
        }
    }

    /// <summary>Makes all rows what the table has, whatever the stream told.</summary>
    public async Task CompareAllAsync(CancellationToken cancellationToken)
    {
        long before;
        do
        {
            // More may differ than are kept; rows that the source does not take stay as they are.
            before = Rows;
            var (suspects, areAll) = await EntityComparison.RunAsync(session, model, model.Entities, cancellationToken);
            await ApplyAsync(suspects, isSettled: true, cancellationToken);
            ToCompare = !areAll;
        }
        while (ToCompare && Rows > before);
        await SaveAsync(cancellationToken);
    }

    /// <summary>Saves how far all is written.</summary>
    public async Task SaveAsync(CancellationToken cancellationToken)
    {
        await saving.WaitAsync(cancellationToken);
        try
        {
            var (setAside, taken) = applier.TakeNews();
            var now = first with
            {
                Shards = Volatile.Read(ref applied),
                Items = first.Items + Items,
                Rows = first.Rows + Rows,
                ToCompare = ToCompare,
                IsCaughtUp = isCaughtUp,
                UpTo = upTo,
                SavedAt = session.Time.GetUtcNow(),
            };
            await session.Control.SaveReverseAsync(lease, now, setAside, taken, cancellationToken);
            savedAt = now.SavedAt;
        }
        finally
        {
            saving.Release();
        }
    }

    public ReverseProgress Measure() => new()
    {
        Items = Items,
        Rows = Rows,
        Shards = readers.Count,
        Lag = lag,
        Elapsed = session.Time.GetElapsedTime(started),
        Waiting = lease.IsPaused ? Lease.PausedText : null,
    };

    public async ValueTask DisposeAsync()
    {
        if (marks is not null)
        {
            try
            {
                using var limit = new CancellationTokenSource(Farewell, session.Time);
                await marks.RemoveAsync(limit.Token);
            }
            catch (Exception)
            {
                // They stay, which is no trouble: they are of no entity, and the next ones have the same keys.
            }

            marks.Dispose();
        }

        stream.Dispose();
        saving.Dispose();
        await applier.DisposeAsync();
    }

    /// <summary>
    /// True when a shard is read to its end and none is listed yet that goes on from it, as there will be: shards close every few hours and under load, and the list follows later
    /// (https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Streams.html).
    /// </summary>
    private bool HasMoreShards => readers.Values.Any(r => r.IsLeaf);

    /// <summary>Those that are not read to their end.</summary>
    private IEnumerable<string> OpenShards => readers.Values.Where(r => !r.IsDone).Select(r => r.Shard);

    private static async Task<ReverseRun> OpenAsync(
        MigrationSession session, BillingModel model, Lease lease, TableStream stream, ReverseCheckpoint first, bool setAside, CancellationToken cancellationToken)
    {
        var known = await session.Control.ListReverseSetAsideAsync(cancellationToken);
        return new ReverseRun(session, model, lease, stream, new RowApplier(session, model, lease, known, setAside), first);
    }

    /// <summary>Reads each shard once, and applies what that gives.</summary>
    /// <param name="lookForShards">Ask for new shards first, in any case.</param>
    /// <returns>How many records there were; a shard that was read to its end counts too, because others follow it.</returns>
    private async Task<int> RoundAsync(bool lookForShards, CancellationToken cancellationToken)
    {
        if (lookForShards || HasMoreShards || session.Time.GetElapsedTime(lookedAt) > LookForShards || readers.Values.All(r => r.IsDone))
        {
            await FindShardsAsync(cancellationToken);
        }

        var open = readers.Values.Where(r => !r.IsDone).ToArray();
        var suspects = new Dictionary<string, Suspect>(StringComparer.Ordinal);
        var found = 0;
        oldestEnd = DateTimeOffset.MaxValue;
        // DynamoDB Local tells when a record was made in whole minutes, but a page of it that is not full is the last one.
        isEnd = session.Target.IsEmulator;
        foreach (var part in open.Chunk(ReadersAtOnce))
        {
            var pages = await Task.WhenAll(part.Select(r => r.ReadAsync(cancellationToken)));
            foreach (var (reader, page) in part.Zip(pages))
            {
                if (page is null)
                {
                    throw ReverseErrors.StreamTrimmed(session.Definition.Target.Table, savedAt);
                }

                marks?.Look(reader.Shard, page.Records);

                found += page.Records.Count + page.Passed + (page.Next is null ? 1 : 0);
                oldestEnd = page.Next is null || page.Passed > 0 ? DateTimeOffset.MinValue : page.Records.Count > 0 && page.Records[^1].At < oldestEnd ? page.Records[^1].At : oldestEnd;
                isEnd &= page.Next is not null && page.Records.Count + page.Passed < TableStream.MostRecords;
                foreach (var record in page.Records)
                {
                    if (SuspectOf(record.Image) is { } suspect)
                    {
                        suspects[suspect.KeyText] = suspect;
                    }
                }
            }
        }

        Interlocked.Add(ref items, suspects.Count);
        await ApplyAsync([.. suspects.Values], isSettled: false, cancellationToken);
        if (found == 0 && later.Count > 0)
        {
            Suspect[] again = [.. later];
            later.Clear();
            await ApplyAsync(again, isSettled: true, cancellationToken);
        }

        if (later.Count == 0)
        {
            Volatile.Write(ref applied, readers.Values.ToImmutableSortedDictionary(r => r.Shard, r => r.Place, StringComparer.Ordinal));
        }

        return found;
    }

    private async Task ApplyAsync(IEnumerable<Suspect> suspects, bool isSettled, CancellationToken cancellationToken)
    {
        foreach (var part in suspects.Chunk(RowsAtOnce))
        {
            later.AddRange(await applier.ApplyAsync(part, isSettled, cancellationToken));
        }
    }

    /// <summary>New shards are read from their beginning. One that is gone before it was read to its end is trimmed.</summary>
    private async Task FindShardsAsync(CancellationToken cancellationToken)
    {
        lookedAt = session.Time.GetTimestamp();
        var shards = await stream.ListShardsAsync(cancellationToken);
        var there = shards.Select(s => s.Id).ToHashSet(StringComparer.Ordinal);
        var continued = shards.Select(s => s.Parent).ToHashSet(StringComparer.Ordinal);
        foreach (var leaf in readers.Values.Where(r => r.IsLeaf && continued.Contains(r.Shard)))
        {
            leaf.GoesOnInOthers();
        }

        foreach (var gone in readers.Values.Where(r => !there.Contains(r.Shard)).ToArray())
        {
            if (!gone.IsDone || gone.IsLeaf)
            {
                throw ReverseErrors.StreamTrimmed(session.Definition.Target.Table, savedAt);
            }

            readers.Remove(gone.Shard);
        }

        foreach (var shard in shards.Where(s => !readers.ContainsKey(s.Id)))
        {
            readers[shard.Id] = Reader(shard.Id, "");
        }
    }

    private ShardReader Reader(string shard, string place) => new(stream, shard, place, first.Since, () => session.Time.GetUtcNow() - upTo > TableStream.Keeps);

    private Suspect? SuspectOf(ReadOnlyMemory<byte> image)
    {
        using var batch = new ItemBatch();
        var entity = canonical.Append(image.Span, batch);
        return entity < 0 ? null : new Suspect(entity, Suspect.KeyOf(batch.Key(0).Span), RowIdentity.Of(model.Entities[entity], batch.Item(0).Span), DifferenceKind.Different);
    }
}
