(* The whole check and what it proves of the plane: the core's tiling and regions, edge to edge, affine pieces, linear
   regions, the decision boundary. Vertices are evaluated once. *)
From Coq Require Import Reals ZArith List Bool Lia Permutation FMapPositive.
From Exactcam Require Import Lists Plane Polygon Tiling Network Regions Evaluate Checker Sound Batch Outputs Maps Edges Linear Boundary.
Import ListNotations.
Open Scope Z_scope.

(* The number of linear regions, and of affine pieces, if all is confirmed. The labels of linear regions are a hint that may be
   asked for when the output maps are known. *)
Definition check_all (b out : nat) (q : question) (a : answer) (labels : list (list Z) -> list (positive * positive))
    (ts : list (list positive * list Z)) : option (nat * nat) :=
  let fs := evaluated b out q (vertices a) in
  if core_ok (core_table fs) q a && vertices_ok (vertices a) then
    match resolve (lookup (tab fs)) (regions a) [] with
    | None => None
    | Some R => match region_maps R [] with
                | None => None
                | Some ms => match different ms, linear R (window_edges a) ms (labels ms) with
                             | Some d, Some n => if ties_ok R ts then Some (n, tally (fun _ => true) d 0) else None
                             | _, _ => None
                             end
                end
    end
  else None.

Section whole.
Variables (b out : nat) (q : question) (a : answer) (labels : list (list Z) -> list (positive * positive)) (ts : list (list positive * list Z)) (linears affines : nat).
Hypothesis accepted : check_all b out q a labels ts = Some (linears, affines).
Lemma steps_of : exists R ms d f, checked q a /\ vertices_ok (vertices a) = true /\
  Forall2 (Forall2 (Forall2 (fun i x => fst x = i /\ known q a out x))) (regions a) R /\
  Forall2 (fun U m => region_map U = Some m) R ms /\ different ms = Some d /\ length d = affines /\ linear R (window_edges a) ms (labels ms) = Some linears /\
  look_all R = Some f /\ ties_ok R ts = true.
Proof.
  pose proof accepted as H. unfold check_all in H. rewrite evaluated_ok in H.
  destruct (core_ok _ q a && vertices_ok (vertices a)) eqn:C; [|discriminate]. apply andb_true_iff in C. destruct C as [C V0].
  rewrite core_table_ok in C.
  destruct (resolve _ (regions a) []) as [R|] eqn:E1; [|discriminate]. destruct (region_maps R []) as [ms|] eqn:E2; [|discriminate].
  destruct (different ms) as [d|] eqn:E3; [|discriminate]. destruct (linear R (window_edges a) ms (labels ms)) as [n|] eqn:E4; [|discriminate].
  destruct (ties_ok R ts) eqn:E5; [|discriminate]. injection H as <- <-.
  apply resolve_ok in E1. destruct E1 as (R' & E & F1). simpl in E. subst R'.
  apply region_maps_ok in E2. destruct E2 as (ms' & E & F2). simpl in E. subst ms'.
  assert (X : exists f, look_all R = Some f).
  { unfold ties_ok in E5. cbn zeta in E5. destruct (look_all R) as [f|]; [exists f; reflexivity|]. rewrite andb_false_r in E5. discriminate. }
  destruct X as (f & X).
  assert (F : Forall2 (Forall2 (Forall2 (fun i x => fst x = i /\ known q a out x))) (regions a) R).
  { eapply Forall2_imp; [|exact F1]. intros U U' G. eapply Forall2_imp; [|exact G]. intros k k' G'. eapply Forall2_imp; [|exact G'].
    intros i x L. apply (lookup_known q a out i x L). }
  exists R, ms, d, f. split; [split; [exact C|]; apply (linear_balanced q a out R F ms (labels ms) n (eq_sym (Forall2_len _ _ _ F2)) E4)|].
  split; [exact V0|]. split; [exact F|].
  split; [exact F2|]. split; [exact E3|]. split; [|repeat split; assumption].
  rewrite tally_ok. simpl. clear. induction d as [|x d IH]; simpl; congruence.
Qed.
Theorem core : checked q a.
Proof. destruct steps_of as (R & ms & d & f & H & _). exact H. Qed.
Theorem points_differ : NoDup (map hp (vertices a)).
Proof.
  destruct steps_of as (_ & _ & _ & _ & C & V0 & _). destruct (parts q a C) as (_ & _ & P0 & _).
  apply andb_true_iff in V0. destruct V0 as [Lo Di]. rewrite forallb_forall in Lo. apply all_different_ok in Di. rewrite rev_map_ok, app_nil_r in Di.
  assert (ND : NoDup (vertices a)) by (eapply NoDup_map_inv; eapply Permutation_NoDup; [symmetry; apply Permutation_rev | exact Di]).
  clear - Lo P0 ND. induction ND as [|h l N _ IH]; cbn [map]; constructor.
  - intros I. apply in_map_iff in I. destruct I as (h' & E & I). assert (h' = h); [|congruence]. apply lowest_unique; try apply Lo; try apply P0; simpl; auto.
  - apply IH; intros; [apply Lo | apply P0]; right; assumption.
Qed.
Theorem count_affine : exists maps, NoDup maps /\ length maps = affines /\
  (forall z, has_interior q z -> exists G, In G maps /\ is_map q out z G) /\
  forall G, In G maps <-> exists z, has_interior q z /\ is_map q out z G.
Proof.
  destruct steps_of as (R & ms & d & f & C & V0 & F1 & F2 & D & L & _). destruct (check_sound q a C) as (_ & _ & _ & _ & zs & Z1 & Z2 & Z3).
  destruct (affine_pieces q a out C R F1 zs Z2 Z3 ms F2 d D) as (Fm & ND & In_). exists (map (forms_of q out) d).
  split; [exact ND|]. split; [rewrite map_length; exact L|]. split; [|exact In_].
  intros z Hz. assert (X : exists G, is_map q out z G).
  { apply Z2 in Hz. clear - Fm Hz. induction Fm as [|y m l ms' H _ IH]; [destruct Hz|]. destruct Hz as [->|Hz]; [eauto | apply IH, Hz]. }
  destruct X as (G & HG). exists G. split; [apply In_; exists z; auto | exact HG].
Qed.
Theorem count_linear : exists roots, NoDup roots /\ length roots = linears /\ (forall r, In r roots -> has_interior q r) /\
  forall z, has_interior q z -> exists r, In r roots /\ connected q out z r /\ forall r', In r' roots -> connected q out z r' -> r' = r.
Proof.
  destruct steps_of as (R & ms & d & f & C & V0 & F1 & F2 & _ & _ & N & _). destruct (check_sound q a C) as (_ & _ & _ & _ & zs & Z1 & Z2 & Z3).
  apply (linear_regions q a out C R F1 zs Z1 Z2 Z3 ms F2 (labels ms) linears N).
Qed.
Theorem decision_boundary :
  (forall p, inP (windowR q) p /\ tie out q p <-> exists t, In t ts /\ face a (fst t) p) /\
  (forall t, In t ts -> NoDup (snd t) /\ (forall i, In i (snd t) -> (0 <= i)%Z) /\
     forall i, In (Z.of_nat i) (snd t) <-> forall p, face a (fst t) p -> wins out q p i) /\
  NoDup (map fst ts) /\
  (forall t t', In t ts -> In t' ts -> fst t <> fst t' -> exists p, face a (fst t) p /\ ~ face a (fst t') p) /\
  (forall t t' p, In t ts -> In t' ts -> fst t <> fst t' -> within a (fst t) p ->
     ~ within a (fst t') p /\ ((dimension (fst t) < dimension (fst t'))%nat -> ~ face a (fst t') p)).
Proof.
  destruct steps_of as (R & ms & d & f & C & V0 & F1 & _ & _ & _ & _ & Lk & T0). apply (boundary q a out C R F1 V0 f Lk ts T0).
Qed.
End whole.
