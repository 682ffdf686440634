#include "test/unit/kube/certificates.h"

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>

#include <cstdlib>
#include <memory>

namespace drapci::plugin::kube {
namespace {

using Key = std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)>;
using Certificate = std::unique_ptr<X509, decltype(&X509_free)>;
using Bio = std::unique_ptr<BIO, decltype(&BIO_free_all)>;

void Check(bool good) {
  if (!good) std::abort();
}

template <class Write>
std::string Text(Write write) {
  const Bio bio(BIO_new(BIO_s_mem()), BIO_free_all);
  Check(write(bio.get()) == 1);
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio.get(), &data);
  return {data, static_cast<size_t>(size)};
}

void Extend(X509* certificate, int what, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx(&context, certificate, certificate, nullptr, nullptr, 0);
  X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, &context, what, value.c_str());
  Check(extension != nullptr);
  X509_add_ext(certificate, extension, -1);
  X509_EXTENSION_free(extension);
}

Identity Make(const Identity* authority, const std::string& name, const std::string& alternatives) {
  const Key key(EVP_EC_gen("P-256"), EVP_PKEY_free);
  const Certificate certificate(X509_new(), X509_free);
  Check(key != nullptr && certificate != nullptr);
  X509_set_version(certificate.get(), X509_VERSION_3);
  uint64_t serial = 0;
  RAND_bytes(reinterpret_cast<unsigned char*>(&serial), sizeof serial);
  ASN1_INTEGER_set_uint64(X509_get_serialNumber(certificate.get()), serial >> 1);
  X509_gmtime_adj(X509_getm_notBefore(certificate.get()), -3600);
  X509_gmtime_adj(X509_getm_notAfter(certificate.get()), 3600);
  X509_set_pubkey(certificate.get(), key.get());
  X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate.get()), "CN", MBSTRING_UTF8,
                             reinterpret_cast<const unsigned char*>(name.c_str()), -1, -1, 0);
  if (!alternatives.empty()) Extend(certificate.get(), NID_subject_alt_name, alternatives);

  if (authority == nullptr) {
    Extend(certificate.get(), NID_basic_constraints, "critical,CA:TRUE");
    X509_set_issuer_name(certificate.get(), X509_get_subject_name(certificate.get()));
    Check(X509_sign(certificate.get(), key.get(), EVP_sha256()) > 0);
  } else {
    const Bio pem(BIO_new_mem_buf(authority->certificate.data(), -1), BIO_free_all);
    const Certificate issuer(PEM_read_bio_X509(pem.get(), nullptr, nullptr, nullptr), X509_free);
    const Bio key_pem(BIO_new_mem_buf(authority->key.data(), -1), BIO_free_all);
    const Key signer(PEM_read_bio_PrivateKey(key_pem.get(), nullptr, nullptr, nullptr),
                     EVP_PKEY_free);
    X509_set_issuer_name(certificate.get(), X509_get_subject_name(issuer.get()));
    Check(X509_sign(certificate.get(), signer.get(), EVP_sha256()) > 0);
  }
  return {Text([&](BIO* bio) { return PEM_write_bio_X509(bio, certificate.get()); }),
          Text([&](BIO* bio) {
            return PEM_write_bio_PrivateKey(bio, key.get(), nullptr, nullptr, 0, nullptr, nullptr);
          })};
}

}  // namespace

Identity MakeAuthority(const std::string& name) { return Make(nullptr, name, ""); }

Identity Issue(const Identity& authority, const std::string& name,
               const std::string& alternatives) {
  return Make(&authority, name, alternatives);
}

}  // namespace drapci::plugin::kube
