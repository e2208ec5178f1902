using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;

namespace BillingMigration.Model;

/// <summary>
/// Encrypts the values of chosen attributes with a migration's data keys: AES-256-GCM-SIV (RFC 8452). Under one key, the same value in the same attribute
/// of the same item always gives the same
/// bytes, so that items are compared and found equal without being opened; in any other place it gives others, so that they do not tell which rows share
/// a value, and cannot be
/// moved to another item. The first byte is the number of the key. What stays to be seen is the value's length, and that it is not NULL. Thread-safe.
/// </summary>
public sealed class AttributeCipher
{
    /// <summary>Bytes of the data key.</summary>
    public const int KeyBytes = 32;

    /// <summary>Bytes that an encrypted value has more than the value: the number of the key, and the tag.</summary>
    public const int Overhead = 1 + 16;

    private readonly KeyRingKeeper keeper;
    private readonly ValueCipher? pinned;

    /// <summary>A cipher with one key, which has the number 1.</summary>
    /// <param name="dataKey">32 random bytes; not kept, two keys are derived from it.</param>
    public AttributeCipher(ReadOnlySpan<byte> dataKey)
        : this(KeyRingKeeper.Of(new ValueCipher(1, dataKey)))
    {
    }

    internal AttributeCipher(KeyRingKeeper keeper, ValueCipher? pinned = null) => (this.keeper, this.pinned) = (keeper, pinned);

    /// <summary>The key ring as it is known now; another object once it has changed.</summary>
    internal KeyRing Ring => keeper.Now;

    /// <summary>Number of the key that values are encrypted with.</summary>
    internal byte Number => (pinned ?? keeper.Now.Current).Number;

    private ValueCipher Writing => pinned ?? keeper.ForEncrypting().Current;

    /// <summary>A cipher whose key is known to nobody: what it makes has the right size, and is of no other use.</summary>
    public static AttributeCipher Throwaway() => new(RandomNumberGenerator.GetBytes(KeyBytes));

    /// <summary>
    /// The same cipher, which encrypts with the key that is current now also when another one becomes current: what is encrypted for a comparison alone
    /// stays comparable as long as it takes.
    /// Not for values that are written.
    /// </summary>
    internal AttributeCipher Pinned() => new(keeper, keeper.Now.Current);

    /// <summary>Reads the key ring again.</summary>
    internal Task<KeyRing> ReadRingAsync(CancellationToken cancellationToken) => keeper.ReadAsync(cancellationToken);

    /// <summary>The place of a value, which its bytes depend on: each part with its length before it.</summary>
    internal static byte[] PlaceOf(string entity, string attribute) => [.. Part(Encoding.UTF8.GetBytes(entity)), .. Part(Encoding.UTF8.GetBytes(attribute))];

    internal static byte[] KeyOf(ReadOnlySpan<byte> partitionKey, ReadOnlySpan<byte> sortKey) => [.. Part(partitionKey), .. Part(sortKey)];

    /// <param name="place">From <see cref="PlaceOf"/>.</param>
    /// <param name="key">From <see cref="KeyOf"/>.</param>
    internal byte[] Encrypt(byte[] place, byte[] key, ReadOnlySpan<byte> value) => Writing.Encrypt([.. place, .. key], value);

    /// <returns>Null: it was not made by <see cref="Encrypt"/> with one of the keys for this place.</returns>
    internal byte[]? TryDecrypt(byte[] place, byte[] key, ReadOnlySpan<byte> encrypted) =>
        encrypted.Length < Overhead ? null : Find(encrypted[0])?.TryDecrypt([.. place, .. key], encrypted);

    /// <summary>The same value under the key that values are encrypted with.</summary>
    /// <returns>Null: it is not one of this place.</returns>
    internal byte[]? TryRenew(byte[] place, byte[] key, ReadOnlySpan<byte> encrypted) =>
        TryDecrypt(place, key, encrypted) is { } value ? Encrypt(place, key, value) : null;

    /// <summary>The same value under each of the other keys: what may stand in an item instead of it.</summary>
    internal IEnumerable<byte[]> Others(byte[] place, byte[] key, byte[] encrypted) =>
        keeper.Now.Keys is { Count: > 1 } keys && TryDecrypt(place, key, encrypted) is { } value
            ? keys.Values.Where(k => k.Number != encrypted[0]).Select(k => k.Encrypt([.. place, .. key], value))
            : [];

    private ValueCipher? Find(byte number) => pinned?.Number == number ? pinned : keeper.Find(number);

    private static byte[] Part(ReadOnlySpan<byte> bytes)
    {
        var part = new byte[sizeof(int) + bytes.Length];
        BinaryPrimitives.WriteInt32BigEndian(part, bytes.Length);
        bytes.CopyTo(part.AsSpan(sizeof(int)));
        return part;
    }
}
