namespace BillingMigration.Reverse;

/// <summary>One change of an item, as DynamoDB Streams tells of it.</summary>
/// <param name="SequenceNumber">Its place in the shard.</param>
/// <param name="At">About when it was made; to the second.</param>
/// <param name="Image">The item in DynamoDB JSON after the change, or before it when it was deleted.</param>
internal readonly record struct StreamRecord(string SequenceNumber, DateTimeOffset At, ReadOnlyMemory<byte> Image);

/// <param name="Records">In the order of the shard.</param>
/// <param name="Passed">How many there were beside these, from before the time that is looked at.</param>
/// <param name="Next">Iterator to go on with; null: the shard is closed, and all of it was read.</param>
internal sealed record StreamPage(IReadOnlyList<StreamRecord> Records, int Passed, string? Next);

/// <summary>A part of the stream.</summary>
/// <param name="Parent">What was written after that one was closed is in this one; null: it had none, or none that is kept.</param>
/// <param name="Closed">Nothing is added to it any more.</param>
internal sealed record StreamShard(string Id, string? Parent, bool Closed);
